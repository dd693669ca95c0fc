"""One line that says how far a long job is: rewritten on a terminal, now and then in a log."""

import time

EVERY_ON_TERMINAL, EVERY_IN_LOG = 0.2, 10.0  # seconds


class Progress:
    """show(phase, done, steps, row): draws the line, if it is time. Use it as a context."""

    def __init__(self, stream):
        self.stream, self.terminal = stream, stream.isatty()
        self.phase, self.drawn = None, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.terminal and self.phase:
            self.stream.write("\n")

    def __call__(self, phase, done, steps, row):
        now = time.perf_counter()
        if phase != self.phase:
            if self.terminal and self.phase:
                self.stream.write("\n")
            self.phase, self.began, self.first, self.drawn = phase, now, done, 0.0
        every = EVERY_ON_TERMINAL if self.terminal else EVERY_IN_LOG
        if now - self.drawn < every and done < steps:
            return
        self.drawn = now
        line = self.line(done, steps, row, now)
        self.stream.write(f"\r{line}\x1b[K" if self.terminal else f"{line}\n")
        self.stream.flush()

    def line(self, done, steps, row, now):
        """phase, step, loss, rate and the time that is left at that rate."""
        parts = [f"{self.phase:9} {done:{len(str(steps))}d}/{steps}"]
        if row:
            parts.append(f"loss {row['loss']:.4f}")
        if now > self.began and done > self.first:
            rate = (done - self.first) / (now - self.began)
            minutes, seconds = divmod(round((steps - done) / rate), 60)
            parts += [f"{rate:.1f} steps/s", f"ETA {minutes}:{seconds:02d}"]
        return "  ".join(parts)

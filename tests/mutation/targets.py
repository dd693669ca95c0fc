"""Which test files judge which module: the fewest that know it well, so that judging is fast."""

from .mutants import ROOT


def _tests(*names):
    return tuple(f"tests/test_{name}.py" for name in (*names, "defaults"))


TARGETS = {
    "tinydiff/gaussian.py": _tests("gaussian", "gaussian_steps"),
    "tinydiff/diffusion/schedules.py": _tests("schedules"),
    "tinydiff/diffusion/process.py": _tests("process", "conversions"),
    "tinydiff/diffusion/conversions.py": _tests("conversions"),
    "tinydiff/diffusion/mixture.py": _tests("mixture", "exact"),
    "tinydiff/diffusion/exact.py": _tests("exact", "mixture"),
    "tinydiff/diffusion/grid.py": _tests("grid"),
    "tinydiff/diffusion/verify.py": _tests("verify"),
    "tinydiff/diffusion/bound.py": _tests(
        "loss", "bound", "estimate", "learned_variance", "decoder"
    ),
    "tinydiff/diffusion/forms.py": _tests("bound"),
    "tinydiff/diffusion/estimate.py": _tests("estimate", "bound"),
    "tinydiff/diffusion/decoder.py": _tests("decoder"),
    "tinydiff/diffusion/weights.py": _tests("loss", "bound", "estimate", "learned_variance"),
    "tinydiff/diffusion/timesampling.py": _tests("timesampling"),
    "tinydiff/diffusion/samplers.py": _tests(
        "sampler_loops", "samplers", "sampler_errors", "samplers_exact"
    ),
    "tinydiff/diffusion/ancestral.py": _tests("sampler_loops", "sampler_errors", "samplers_exact"),
    "tinydiff/diffusion/denoise.py": _tests("samplers", "sampler_errors", "sampler_loops"),
    "tinydiff/diffusion/ode.py": _tests(
        "sampler_loops", "samplers", "samplers_exact", "sampler_errors"
    ),
    "tinydiff/diffusion/revisit.py": _tests(
        "sampler_loops", "sampler_errors", "samplers_exact", "inpaint"
    ),
    "tinydiff/diffusion/guidance.py": _tests("guidance", "likelihood"),
    "tinydiff/diffusion/likelihood.py": _tests("likelihood", "guidance"),
} | {
    path.relative_to(ROOT).as_posix(): _tests("ops", "ops_laws", "ops_edges", "ops_errors")
    for path in sorted((ROOT / "tinydiff" / "ops").glob("*.py"))
}

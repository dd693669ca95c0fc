"""Mutation testing of the mathematics: does a test notice each small change of the code?

    python -m tests.mutation                 # 600 mutants, at most 45 minutes on 2 cores
    python -m tests.mutation --sample 40     # a quick look
    python -m tests.mutation --only process  # one module

cosmic-ray makes the mutants (arithmetic, comparison, sign, constant and index operators; nothing in
messages, annotations or strings). Each mutated module runs against its named test files, in a
child forked from a process that has NumPy and SciPy loaded already. The score is
killed / (sample - equivalent); those proven equivalent stand in equivalents.toml with the proof.
"""

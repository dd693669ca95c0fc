.PHONY: test lint bench train clean

test:
	python -m pytest

lint:
	ruff check .

bench:
	python -m benchmarks.overhead
	python -m benchmarks

train:
	python -m tinydiff train

clean:
	rm -rf runs build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

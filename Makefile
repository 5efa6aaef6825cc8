# The commands for working on the portal. They need Python 3.11 to 3.13 with venv, and make.

HOST ?= 127.0.0.1
PORT ?= 8000
MODE ?= development
TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1/test

PY := .venv/bin/python
DEMO := DATA_DIR=var/demo AFTERWORD_MODE=demo

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset run test check fix bench bench-large lock messages screens

help:
	@echo "make demo         run a demo library; with HOST=0.0.0.0 a phone can open it, and PORT=8080 sets the port"
	@echo "make demo-reset   delete the demo library and run a new one"
	@echo "make test         run all tests, on SQLite and on the PostgreSQL at TEST_DATABASE_URL"
	@echo "make check        check format, lint, types, imports, migrations, settings, templates, documents and translations"
	@echo "make fix          format the code, and fix what can be fixed automatically"
	@echo "make run          run the web server and the worker on the data in var/ (AFTERWORD_MODE=$(MODE))"
	@echo "make bench        compare the CPU time of each page with a minimal page, on both databases, in six minutes"
	@echo "make bench-large  the same among 100,000 conversations; the first run builds 1 GB for each database"
	@echo "make screens      take a screenshot of every page, in var/screens/"
	@echo "make messages     collect the texts to translate, and compile the translations"
	@echo "make lock         update the pinned dependencies in requirements*.txt"

# The virtual environment is built once, and again when the requirements change.
.venv/running: requirements.txt
	@./.ci/venv requirements.txt
	@touch $@

.venv/developing: requirements-dev.txt
	@./.ci/venv requirements-dev.txt
	@touch $@ .venv/running

# Compressing the static files is the slowest part of the start, so it runs only when they change.
var/demo/static/staticfiles.json: .venv/running $(shell find static -type f)
	@mkdir -p var/demo
	@$(DEMO) $(PY) manage.py collectstatic --noinput --verbosity 0
	@touch $@

demo: .venv/running var/demo/static/staticfiles.json
	@$(DEMO) $(PY) manage.py migrate --verbosity 0
	@$(DEMO) $(PY) manage.py createcachetable --verbosity 0
	@$(DEMO) $(PY) manage.py build_demo
	@$(DEMO) $(PY) manage.py run --host $(HOST) --port $(PORT)

demo-reset:
	@rm -rf var/demo
	@$(MAKE) --no-print-directory demo

run: .venv/running
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py migrate --verbosity 0
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py createcachetable --verbosity 0
	@AFTERWORD_MODE=$(MODE) $(PY) manage.py run --host $(HOST) --port $(PORT)

test: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) ./.ci/test

check: .venv/developing
	@./.ci/check

fix: .venv/developing
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@find templates -name '*.html' -print0 | xargs -0 .venv/bin/djade --target-version 5.2 || true

bench: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) $(PY) -m bench

bench-large: .venv/developing
	@TEST_DATABASE_URL=$(TEST_DATABASE_URL) $(PY) -m bench large

screens: .venv/developing
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && DATA_DIR=$$scratch .venv/bin/pytest -q tests/browser/screens.py

messages: .venv/developing
	@AFTERWORD_MODE=development $(PY) manage.py messages

lock: .venv/developing
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url pyproject.toml -o requirements.txt
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements-dev.txt

# Penstock. `make help` lists the targets. Needs Python 3.11 and Java 17; all else is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SITE := $(VENV)/lib/python3.11/site-packages
JARS := $(SITE)/pyspark/jars
READY := $(VENV)/.ready
ARCHIVE := $(SITE)/pyspark/penstock-class-archive/stamp
JAVA := $(wildcard jvm/src/io/penstock/*/*.java)
OWN_JAR := $(JARS)/penstock.jar
CODE := jobs schemas udfs penstock tests deploy benchmarks
SERVERS := $(BIN)/python jobs/servers.py
# In two processes, a file in one of them; tests/conftest.py says what begins first.
TESTS := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help env archive jars s3-tools s3-up mlflow-up cluster-up servers-up thrift-up down demo demo-s3 test test-rest test-all faults faults-s3 bench check format wheel lock clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1|\2/' | column -t -s '|'

env: $(READY) $(ARCHIVE)  ## make .venv from the lock file, with Delta's jars and a class-data archive (2 to 5 minutes)

$(READY): requirements.lock pyproject.toml conf/jars.xml conf/jars.sha256 conf/spark-defaults.conf conf/log4j2.properties $(JAVA)
	@echo "penstock: making $(VENV) from requirements.lock"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Python 3.11 is needed: make env PYTHON=/path/to/python3.11"; exit 1; }
	@java -version 2>&1 | grep -qE 'version "(17|21)' || { echo "Java 17 is needed on PATH"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.lock)"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
# Where PYTHONDONTWRITEBYTECODE is set, every process would compile MLflow again: some seconds of each start.
	@$(BIN)/python -m compileall -q jobs schemas udfs penstock
	@$(MAKE) --no-print-directory jars
	@mkdir -p $(SITE)/pyspark/conf
	@ln -sf "$(CURDIR)/conf/log4j2.properties" $(SITE)/pyspark/conf/
# For spark-submit. A job that starts meanwhile reads the old file or the new one.
	@cp conf/spark-defaults.conf $(SITE)/pyspark/conf/.new
	@env -u SPARK_HOME $(BIN)/python -m penstock.spark.jvm_options >> $(SITE)/pyspark/conf/.new
	@mv -f $(SITE)/pyspark/conf/.new $(SITE)/pyspark/conf/spark-defaults.conf
	@touch $@

# Without one all works, and each start takes some seconds more.
$(ARCHIVE): $(READY)
	@echo "penstock: making the class-data archive"
	@if env -u SPARK_HOME $(BIN)/python -m penstock.spark.class_archive && test -e $@; then touch $@; fi

archive: $(READY)  ## rebuild the class-data archive, with which a JVM starts in half the time
	@rm -f $(ARCHIVE) && $(MAKE) --no-print-directory $(ARCHIVE)

jars: $(OWN_JAR)  ## fetch the jars of Delta and S3 beside Spark's own, check them against conf/jars.sha256, compile jvm/

.PHONY: fetched-jars
fetched-jars:
	@(cd $(JARS) && sha256sum --check --status "$(CURDIR)/conf/jars.sha256" 2>/dev/null) || \
	  { echo "penstock: fetching the jars of Delta and S3"; \
	    (cd $(JARS) && touch .fetched && xargs -r rm -f < .fetched && sed "s/.* //" "$(CURDIR)/conf/jars.sha256" > .fetched) && \
	    java -jar $(JARS)/ivy-*.jar -warn -ivy conf/jars.xml -types jar bundle -retrieve "$(CURDIR)/$(JARS)/[artifact]-[revision].[ext]" && \
	    (cd $(JARS) && sha256sum --check --quiet "$(CURDIR)/conf/jars.sha256"); }

# For a Spark of one's own: a copy of this file in that Spark's jars/, where Delta's are.
$(OWN_JAR): $(JAVA) conf/jars.sha256 | fetched-jars
	@command -v javac >/dev/null || { echo "javac is needed: install a JDK 17, not just a JRE"; exit 1; }
	@echo "penstock: compiling jvm/"
	@rm -rf build/jvm && mkdir -p build/jvm
	@javac --release 17 -Xlint:all,-classfile,-path -Werror -proc:none -cp "$(JARS)/*" -d build/jvm $(JAVA)
	@jar --create --file build/penstock.jar --date 2020-01-01T00:00:00Z -C build/jvm .
	@mv build/penstock.jar $@ && touch $@

s3-tools: tools/bin/versitygw  ## compile the S3 server that the tests start (needs Go)

tools/bin/versitygw:
	@GOBIN="$(CURDIR)/tools/bin" go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

s3-up: env s3-tools  ## start an S3 server on 127.0.0.1, with the bucket penstock
	@$(SERVERS) up s3

mlflow-up: env s3-tools  ## start an MLflow server on 127.0.0.1, its artifacts on that S3 server, which is started too
	@$(SERVERS) up s3 mlflow

cluster-up: env  ## start a Spark master and two workers on 127.0.0.1
	@$(SERVERS) up cluster

servers-up: env s3-tools  ## start all three, and say what a shell needs to use them
	@$(SERVERS) up s3 mlflow cluster
	@echo 'now: eval "$$($(SERVERS) env)"'

thrift-up: env  ## answer SQL over the tables of the demo's pipelines (docs/bi.md)
	@$(SERVERS) up thrift --conf conf/wine.yaml --conf conf/macro.yaml

down:  ## stop the servers that were started; their data and logs stay in warehouse/servers
	@test ! -d warehouse/servers || $(SERVERS) down

demo: env  ## train, register, stream the wine data through the job and show what came out (about 2 minutes)
	@$(BIN)/python jobs/run_demo.py

demo-s3: servers-up wheel  ## the same demo with all data on that S3, that MLflow, and submitted to that cluster
	@eval "$$($(SERVERS) env)" && $(BIN)/python jobs/run_demo.py --overlay conf/s3.yaml --master "$$PENSTOCK_MASTER"

test: env  ## run the tests that need no server of their own, and two jobs as processes (more than half an hour on 2 cores)
	@$(TESTS) -m "not process or smoke"

test-rest: env s3-tools  ## run the tests that `make test` leaves out: jobs, servers, a cluster, notebooks, faults
	@$(TESTS) -m "process and not smoke"

test-all: env s3-tools  ## run all the tests (more than an hour on 2 cores)
	@$(TESTS)

faults: env  ## kill, pause, double and damage the jobs with the full numbers, resumable (hours; SHORT=0.05 takes that part)
	@PYTHONPATH=tests $(BIN)/python -m faults.run --short $(or $(SHORT),1)

faults-s3: env s3-tools  ## the same for pipelines on S3, with a network that fails (hours; SHORT=0.05 takes that part)
	@PYTHONPATH=tests $(BIN)/python -m faults.run --on-s3 --short $(or $(SHORT),1)

bench: env  ## measure everything beside the plain way of the same work (an hour), and print the table of docs/speed.md
	@for script in benchmarks/bench_*.py; do echo "$$script"; $(BIN)/python $$script || exit 1; done
	@$(BIN)/python benchmarks/show_results.py

check: env  ## ruff (format, lint), mypy strict, import-linter and the word list
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/mypy
	@$(BIN)/python tests/word_list.py

format: env  ## let ruff rewrite the code
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

wheel: env  ## build dist/penstock.zip, the wheel under the name that spark-submit --py-files takes
	@rm -rf build dist && $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --wheel && cp dist/penstock-*.whl dist/penstock.zip && ls dist

lock: env  ## regenerate requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --python-version 3.11 --no-header --upgrade --quiet -o requirements.lock

clean: down  ## remove the demo's data, logs and build output (not .venv)
	@rm -rf warehouse logs build dist

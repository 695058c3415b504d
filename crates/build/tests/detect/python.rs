//! Python: frameworks behind their servers, lock files, programs.

use expect_test::expect;
use pluvio_build::detect::{self, SourceTree};
use pluvio_build::plan::BuildPlan;
use pluvio_model::spec::ComponentSpec;

use super::check;

#[test]
fn python_frameworks_run_behind_a_real_server() {
    check(
        &[
            ("requirements.txt", "Flask>=3\n"),
            (
                "shop/__init__.py",
                "from flask import Flask\n\ndef create_app():\n    app = Flask(__name__)\n    @app.get('/health')\n",
            ),
            ("runtime.txt", "python-3.11.4\n"),
        ],
        expect![[r#"
            python
                requirements.txt: a Python program.
                runtime.txt: Python 3.11.4; 3.11.4 is taken.
                shop/__init__.py:3: a Flask application, behind gunicorn.
                The server is told to listen on 8080.
                shop/__init__.py:5 answers /health: it is the readiness check.
                gunicorn is not among the dependencies: it is installed with them.
                requirements.txt: packages are installed with pip.
            runs `exec gunicorn --bind 0.0.0.0:$PORT --threads 4 --keep-alive 65 --worker-tmp-dir /dev/shm --access-logfile - 'shop:create_app()'` in a shell, http 8080, ready at /health, 512Mi
            in python-build:3.11.4
              dependencies: python3 -m venv /app/.venv && /app/.venv/bin/pip install -r requirements.txt gunicorn
                from requirements*.txt requirements/** constraints*.txt to /app/.venv
            on python:3.11.4
              /app/.venv -> /app/.venv (a layer of dependencies)
              /app -> /app without .venv .git **/__pycache__ *.Dockerfile
        "#]],
    );
    check(
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"api\"\nrequires-python = \">=3.10,<3.13\"\ndependencies = [\"fastapi\", \"uvicorn[standard]>=0.30\"]\n",
            ),
            (
                "src/api/main.py",
                "app: FastAPI = FastAPI()\n@app.get(\"/healthz\")\n",
            ),
        ],
        expect![[r#"
            python
                pyproject.toml: a Python program.
                pyproject.toml requires-python: Python >=3.10,<3.13; 3.11 is taken.
                src/api/main.py:1: a FastAPI application, behind uvicorn.
                The server is told to listen on 8080.
                src/api/main.py:2 answers /healthz: it is the readiness check.
                pyproject.toml: its dependencies are installed with pip.
            runs `exec uvicorn --host 0.0.0.0 --port $PORT --timeout-keep-alive 65 api.main:app` in a shell, http 8080, ready at /healthz, 512Mi
            in python-build:3.11
              dependencies: python3 -m venv /app/.venv && /app/.venv/bin/pip install fastapi 'uvicorn[standard]>=0.30'
                from pyproject.toml to /app/.venv
            on python:3.11
              /app/.venv -> /app/.venv (a layer of dependencies)
              /app -> /app without .venv .git **/__pycache__ *.Dockerfile
        "#]],
    );
    check(
        &[
            ("manage.py", "import os\n"),
            (
                "requirements.txt",
                "django==5.2\ngunicorn\n-r more/requirements.txt\n",
            ),
            ("mysite/settings.py", "STATIC_ROOT = BASE / 'static'\n"),
            ("mysite/wsgi.py", "application = get_wsgi_application()\n"),
        ],
        expect![[r#"
            python
                requirements.txt: a Python program.
                No version of Python is named: the default is taken.
                manage.py and mysite/: Django, behind gunicorn.
                The server is told to listen on 8080.
                requirements.txt: packages are installed with pip.
                mysite/settings.py sets STATIC_ROOT: its files are collected.
            runs `exec gunicorn --bind 0.0.0.0:$PORT --threads 4 --keep-alive 65 --worker-tmp-dir /dev/shm --access-logfile - mysite.wsgi:application` in a shell, http 8080, 512Mi
            in python-build:default
              dependencies: python3 -m venv /app/.venv && /app/.venv/bin/pip install -r requirements.txt
                from requirements*.txt requirements/** constraints*.txt to /app/.venv
              static files: python manage.py collectstatic --noinput
                from **
            on python:default
              /app/.venv -> /app/.venv (a layer of dependencies)
              /app -> /app without .venv .git **/__pycache__ *.Dockerfile
        "#]],
    );
}

#[test]
fn python_package_managers_keep_to_their_lock_files() {
    for (lock, manifest) in [
        ("uv.lock", "pyproject.toml"),
        ("poetry.lock", "pyproject.toml"),
        ("Pipfile.lock", "Pipfile"),
    ] {
        let tree = SourceTree::from_texts([
            (lock, ""),
            (manifest, "[project]\nname = \"x\"\n"),
            ("main.py", "print(1)"),
        ]);
        let found = detect::component(&tree, ".", &ComponentSpec::default()).unwrap();
        let BuildPlan::Steps(plan) = found.build else {
            panic!("steps")
        };
        let step = &plan.steps[0];
        assert!(
            step.reads(lock) && step.reads(manifest) && !step.reads("main.py"),
            "{step:?}"
        );
        assert_eq!(step.produces, ["/app/.venv"]);
        assert!(
            found.component.ports.is_empty(),
            "a program that opens no port has none"
        );
    }
}

#[test]
fn a_python_program_without_framework_is_started() {
    check(
        &[("main.py", "import time\nwhile True: time.sleep(1)\n")],
        expect![[r#"
            python
                main.py: a Python program.
                No version of Python is named: the default is taken.
                main.py is started, for no framework is named.
                No line opens a port: it is run without one.
            runs ["python3", "main.py"], 512Mi
            on python:default
              /app -> /app without .venv .git **/__pycache__ *.Dockerfile
        "#]],
    );
    check(
        &[("requirements.txt", "requests\n"), ("lib.py", "")],
        expect![[r#"
            source.unknown
                It is Python, but nothing tells how it is started: no framework, no Procfile, no main.py or app.py.
                Add `command: [python3, FILE]` to app.yaml, or a Procfile with a line `web: COMMAND`.
        "#]],
    );
}

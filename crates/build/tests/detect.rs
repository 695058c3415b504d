//! What detection says of folders, told as stories: each test gives files and shows what follows from them.

use expect_test::{Expect, expect};
use pluvio_build::detect::{self, Detected, SourceTree, kind_name};
use pluvio_build::plan::{Base, BuildPlan, StepsPlan};
use pluvio_model::problem::Problem;
use pluvio_model::spec::{BuildSpec, BuilderChoice, Command, ComponentSpec, SourceSpec};

fn check(files: &[(&str, &str)], want: Expect) {
    check_with(files, ComponentSpec::default(), want);
}

fn check_with(files: &[(&str, &str)], asked: ComponentSpec, want: Expect) {
    let tree = SourceTree::from_texts(files.iter().copied());
    want.assert_eq(&tell(detect::component(&tree, ".", &asked)));
}

fn tell(found: Result<Detected, Problem>) -> String {
    let found = match found {
        Ok(found) => found,
        Err(problem) => {
            return format!(
                "{}\n    {}\n    {}\n",
                problem.code, problem.cause, problem.remedy
            );
        }
    };
    let mut out = format!("{}\n", kind_name(found.kind));
    for why in &found.why {
        out += &format!("    {why}\n");
    }
    for other in &found.alternatives {
        out += &format!("    or {other}\n");
    }
    for row in &found.report {
        out += &format!(
            "    {}: {} {}\n",
            row.at,
            row.message,
            row.remedy.as_deref().unwrap_or_default()
        );
    }
    let component = &found.component;
    let mut facts = Vec::new();
    if let Some(command) = &component.command {
        facts.push(match command {
            Command::Shell(line) => format!("runs `{line}` in a shell"),
            Command::Words(words) => format!("runs {words:?}"),
        });
    }
    facts.extend(
        component
            .ports
            .iter()
            .map(|(name, port)| format!("{name} {}", port.port)),
    );
    facts.extend(component.probes.iter().filter_map(|probes| {
        Some(format!(
            "ready at {}",
            probes.ready.as_ref()?.http.as_ref()?.path
        ))
    }));
    facts.extend(
        component
            .resources
            .iter()
            .filter_map(|resources| Some(resources.memory.as_ref()?.limit?.to_string())),
    );
    out += &format!("{}\n", facts.join(", "));
    match &found.build {
        BuildPlan::Dockerfile(plan) => {
            out += &format!(
                "builds {} {:?} {:?}\n",
                plan.dockerfile, plan.target, plan.args
            );
        }
        BuildPlan::Steps(plan) => out += &steps(plan),
    }
    out
}

fn steps(plan: &StepsPlan) -> String {
    let base = |base: &Base| {
        format!(
            "{}:{}",
            base.name,
            base.version.as_deref().unwrap_or("default")
        )
    };
    let mut out = String::new();
    if let Some(build) = &plan.build_base {
        out += &format!("in {}\n", base(build));
    }
    for step in &plan.steps {
        out += &format!(
            "  {}: {}\n    from {}",
            step.name,
            step.command,
            step.inputs.join(" ")
        );
        if !step.produces.is_empty() {
            out += &format!(" to {}", step.produces.join(" "));
        }
        out += "\n";
    }
    out += &format!("on {}\n", base(&plan.run_base));
    for output in &plan.outputs {
        out += &format!("  {} -> {}", output.from, output.to);
        if !output.exclude.is_empty() {
            out += &format!(" without {}", output.exclude.join(" "));
        }
        if let Some(step) = &output.step {
            out += &format!(" (a layer of {step})");
        }
        out += "\n";
    }
    out
}

fn sample(name: &str, want: Expect) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name);
    let tree = SourceTree::read(&folder, &detect::Limits::default()).unwrap();
    want.assert_eq(&tell(detect::component(
        &tree,
        ".",
        &ComponentSpec::default(),
    )));
}

#[test]
fn the_samples() {
    sample(
        "node",
        expect![[r#"
            node
                package.json: a Node.js package.
                package.json engines: Node.js >=20; the default line fits.
                package-lock.json: packages are installed with npm, exactly these.
                package.json: express is a dependency: Express.
                package.json: the start script is `node server.js`; it is run without npm, so that it is told to stop.
                server.js:6 reads PORT: it is told to listen on 3000.
                server.js:43 answers /healthz: it is the readiness check.
                package.json: the build script is run (`node build.js`).
            runs ["node", "server.js"], http 3000, ready at /healthz, 512Mi
            in node:default
              dependencies: npm ci --prefer-offline --include=dev
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on node:default
              /app/node_modules -> /app/node_modules without .cache (a layer of dependencies)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    sample(
        "python",
        expect![[r#"
            python
                requirements.txt: a Python program.
                No version of Python is named: the default is taken.
                app.py:14: a Flask application, behind gunicorn.
                The server is told to listen on 8080.
                app.py:58 answers /healthz: it is the readiness check.
                requirements.txt: packages are installed with pip.
            runs `exec gunicorn --bind 0.0.0.0:$PORT --threads 4 --keep-alive 65 --worker-tmp-dir /dev/shm --access-logfile - app:app` in a shell, http 8080, ready at /healthz, 512Mi
            in python-build:default
              dependencies: python3 -m venv /app/.venv && /app/.venv/bin/pip install -r requirements.txt
                from requirements*.txt requirements/** constraints*.txt to /app/.venv
            on python:default
              /app/.venv -> /app/.venv (a layer of dependencies)
              /app -> /app without .venv .git **/__pycache__ *.Dockerfile
        "#]],
    );
    sample(
        "go",
        expect![[r#"
        go
            go.mod: the module example.org/links.
            go.mod: Go 1.22 or newer; the default builds it.
            main.go: the program that is built.
            main.go:95 reads PORT: it is told to listen on 8080.
            main.go:97 answers /healthz: it is the readiness check.
        runs ["/usr/local/bin/app"], http 8080, ready at /healthz, 256Mi
        in go:default
          modules: go mod download
            from go.mod go.sum go.work **/go.mod
          build: go build -trimpath -ldflags='-s -w' -o /out/app .
            from ** to /out/app
        on run:default
          /out/app -> /usr/local/bin/app (a layer of build)
    "#]],
    );
    sample(
        "static",
        expect![[r#"
        static
            index.html is a page, and nothing else tells a program.
            The base image's web server serves it on 8080.
        http 8080, 64Mi
        on static:default
          /app -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
    "#]],
    );
    sample(
        "dockerfile",
        expect![[r#"
        dockerfile
            Dockerfile is in the source.
            Dockerfile:15 exposes 8000.
            Dockerfile:16 runs `python3 server.py`.
            or python: server.py is there too; `build: { builder: python }` asks for it.
        http 8000
        builds Dockerfile None {}
    "#]],
    );
}

// ---- Node.js

#[test]
fn a_node_server_with_a_build_leaves_out_what_only_the_build_needs() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "tsc", "start": "node dist/main.js"},
                   "dependencies": {"@nestjs/core": "11", "bcrypt": "6"}, "devDependencies": {"typescript": "5"}}"#,
            ),
            ("package-lock.json", "{}"),
            (".nvmrc", "v20.11.1\n"),
            (
                "src/main.ts",
                "await app.listen(process.env.PORT ?? 3000);\n@Get('/health')\n",
            ),
            (
                ".env.example",
                "PORT=3000\nDATABASE_URL=postgres://localhost/x\n",
            ),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                .nvmrc: Node.js v20.11.1; 20.11.1 is taken.
                package-lock.json: packages are installed with npm, exactly these.
                Some packages have install scripts: the build base with compilers is taken.
                package.json: @nestjs/core is a dependency: NestJS.
                package.json: the start script is `node dist/main.js`; it is run without npm, so that it is told to stop.
                src/main.ts:1 reads PORT: it is told to listen on 3000.
                src/main.ts:2 answers /health: it is the readiness check.
                package.json: the build script is run (`tsc`).
                .env.example: The program may need DATABASE_URL; example values are not taken over. Set them: `pluvio config set NAME=VALUE`, or `env` and `secrets` in app.yaml.
            runs ["node", "dist/main.js"], http 3000, ready at /health, 512Mi
            in node-build:20.11.1
              dependencies: npm ci --prefer-offline --include=dev
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              packages to run: rm -rf /out/packages && mkdir -p /out/packages && cp -a package.json package-lock.json node_modules /out/packages/ && for file in .npmrc .yarnrc; do if [ -f $file ]; then cp $file /out/packages/; fi; done && cd /out/packages && npm prune --omit=dev --ignore-scripts
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /out/packages/node_modules
              build: npm run build
                from **
            on node:20.11.1
              /out/packages/node_modules -> /app/node_modules without .cache (a layer of packages to run)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

#[test]
fn pages_are_built_and_served_as_files() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"dev": "vite", "build": "vite build", "preview": "vite preview"}, "devDependencies": {"vite": "7"}}"#,
            ),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            (
                "vite.config.ts",
                "export default { build: { outDir: './out' } }",
            ),
            ("index.html", "<div>"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                pnpm-lock.yaml: packages are installed with pnpm, exactly these.
                package.json: Vite builds files (vite.config: out), and no server is started.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:default
              dependencies: npx --yes pnpm@9 install --frozen-lockfile --prefer-offline --prod=false
                from package.json pnpm-lock.yaml .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/out -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "react-scripts start", "build": "react-scripts build"}, "dependencies": {"react-scripts": "5"}}"#,
            ),
            ("yarn.lock", "# yarn lockfile v1\n"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                yarn.lock: packages are installed with yarn, exactly these.
                package.json: Create React App builds files (by its default: build), and no server is started.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:default
              dependencies: npx --yes yarn@1.22.22 install --frozen-lockfile --non-interactive --prefer-offline --production=false
                from package.json yarn.lock .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/build -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
}

#[test]
fn next_is_a_server_unless_it_exports() {
    let package = r#"{"scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}, "engines": {"node": ">=18 <21"}}"#;
    check(
        &[("package.json", package), ("package-lock.json", "{}")],
        expect![[r#"
            node
                package.json: a Node.js package.
                package.json engines: Node.js >=18 <21; 20 is taken.
                package-lock.json: packages are installed with npm, exactly these.
                package.json: next is a dependency: Next.js.
                package.json: the start script is `next start`; it is run without npm, so that it is told to stop.
                Next.js listens on PORT: it is told 3000.
                package.json: the build script is run (`next build`).
            runs ["next", "start"], http 3000, 512Mi
            in node:20
              dependencies: npm ci --prefer-offline --include=dev
                from package.json package-lock.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on node:20
              /app/node_modules -> /app/node_modules without .cache (a layer of dependencies)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    check(
        &[
            ("package.json", package),
            ("next.config.mjs", "export default { output: 'export' }"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                package.json engines: Node.js >=18 <21; 20 is taken.
                There is no lock file: npm chooses the packages' versions at each install.
                next.config: the export is static; out is served.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            in node:20
              dependencies: npm install --no-package-lock --prefer-offline --include=dev
                from package.json .npmrc .yarnrc .yarnrc.yml .yarn/** patches/** prisma/** to /app/node_modules
              build: npm run build
                from **
            on static:default
              /app/out -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
}

#[test]
fn a_node_program_without_scripts_is_found_by_its_name() {
    check(
        &[
            ("package.json", r#"{"name": "x"}"#),
            ("index.js", "http.createServer(f).listen(4000)"),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                index.js is there, and no start script says otherwise.
                index.js:1 listens on 4000.
            runs ["node", "index.js"], http 4000, 512Mi
            on node:default
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    check(
        &[("package.json", "{}"), ("readme.md", "")],
        expect![[r#"
        source.unknown
            package.json has no start script, and none of the usual files (server.js, index.js …) is there.
            Add a `start` script to package.json, or `command: [node, FILE]` to app.yaml.
    "#]],
    );
    check(
        &[("package.json", "{\n  \"name\": oops\n}")],
        expect![[r#"
        spec.invalid
            package.json is not valid JSON: expected value at line 2 column 11.
            Correct it; `npm pkg get name` shows whether npm can read it.
    "#]],
    );
}

#[test]
fn a_procfile_says_what_runs() {
    check(
        &[
            ("package.json", r#"{"scripts": {"start": "node x.js"}}"#),
            (
                "Procfile",
                "web: node server.js --port $PORT\nrelease: npm run migrate\nworker: node worker.js\n",
            ),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                Procfile: the web process runs `node server.js --port $PORT`.
                No port is named in the source: it is told to listen on 8080 by the variable PORT.
                Procfile.release: `npm run migrate` is not run before releases by detection alone. Run it when it is needed (`pluvio exec -- npm run migrate`), or as a part of the program's start.
                Procfile.worker: The process `worker` is not part of this component. Add a component to app.yaml with the same source and `command: node worker.js`.
            runs `exec node server.js --port $PORT` in a shell, http 8080, 512Mi
            on node:default
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

#[test]
fn installing_reads_the_source_where_hooks_do() {
    check(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "node a.js && true", "postinstall": "node setup.js"}, "dependencies": {"a": "file:./a"}, "devDependencies": {"b": "1"}}"#,
            ),
            ("yarn.lock", "__metadata:\n"),
            ("a.js", ""),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                yarn.lock: packages are installed with yarn, exactly these.
                package.json: the start script is `node a.js && true`, run by npm.
                No port is named in the source: it is told to listen on 8080 by the variable PORT.
            runs ["npm", "start"], http 8080, 512Mi
            in node:default
              dependencies: npx --yes @yarnpkg/cli-dist@4 install --immutable
                from ** to /app/node_modules
            on node:default
              /app/node_modules -> /app/node_modules without .cache (a layer of dependencies)
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

// ---- Python

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

// ---- Go

#[test]
fn the_program_of_a_go_module_is_chosen_by_name() {
    let main = "package main\n\nfunc main() {\n\thttp.ListenAndServe(\":9000\", nil)\n}\n";
    check(
        &[
            (
                "go.mod",
                "module example.org/shop/v2\n\ngo 1.23\n\nrequire github.com/mattn/go-sqlite3 v1\n",
            ),
            ("go.sum", ""),
            ("cmd/shop/main.go", main),
            ("cmd/tool/main.go", "package main\nfunc main() {}\n"),
            ("templates/page.html", "x"),
        ],
        expect![[r#"
            go
                go.mod: the module example.org/shop/v2.
                go.mod: Go 1.23 or newer; the default builds it.
                cmd/shop/main.go: the program that is built.
                Other programs of the module are not built: ./cmd/tool.
                C code is linked in: the C compiler is used.
                cmd/shop/main.go:4 listens on 9000.
                templates/ is copied beside the program, which may read it.
            runs ["/usr/local/bin/app"], http 9000, 256Mi
            in go:default
              modules: go mod download
                from go.mod go.sum go.work **/go.mod
              build: go build -trimpath -ldflags='-s -w' -o /out/app ./cmd/shop
                from ** to /out/app
            on run:default
              /app/templates -> /app/templates without **/*.go
              /out/app -> /usr/local/bin/app (a layer of build)
        "#]],
    );
    check(
        &[
            ("go.mod", "module x\n"),
            ("cmd/one/main.go", main),
            ("cmd/two/main.go", main),
        ],
        expect![[r#"
            source.unknown
                The module holds several programs: ./cmd/one, ./cmd/two.
                Say which: `build: { command: go build -o /out/app ./cmd/one }`.
        "#]],
    );
    check(
        &[("go.mod", "module x\n"), ("lib.go", "package x\n")],
        expect![[r#"
            source.unknown
                No file of the module is `package main` with a `func main()`, so there is no program to build.
                Deploy the module that has the program, or name a folder with `source: { path: … }`.
        "#]],
    );
}

// ---- static, Dockerfile, what is asked

#[test]
fn pages_lie_in_a_folder_or_are_made_by_a_command() {
    check(
        &[("public/index.html", "x"), ("README.md", "")],
        expect![[r#"
            static
                public/index.html is a page, and nothing else tells a program.
                The base image's web server serves it on 8080.
            http 8080, 64Mi
            on static:default
              /app/public -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
        "#]],
    );
    let hugo = ComponentSpec {
        build: Some(BuildSpec {
            builder: BuilderChoice::Static,
            command: Some(Command::Shell("make site".into())),
            output: Some("./public/".into()),
            ..BuildSpec::default()
        }),
        ..ComponentSpec::default()
    };
    check_with(
        &[("Makefile", "site:\n")],
        hugo,
        expect![[r#"
        static
            `build: { builder: static }` says so.
            `build: { output: ./public/ }` is what is served.
            The base image's web server serves it on 8080.
        http 8080, 64Mi
        in build:default
          build: make site
            from **
        on static:default
          /app/public -> /srv without .git .env .env.* .gitignore .dockerignore .pluvioignore app.yaml app.yml Dockerfile *.Dockerfile
    "#]],
    );
}

#[test]
fn a_dockerfile_comes_first_and_another_builder_can_be_asked_for() {
    let files = [
        (
            "Dockerfile",
            "FROM node:22 AS base\nEXPOSE 3000 9229\nFROM base AS dev\nFROM base\nCMD [\"node\", \"x.js\"]\n",
        ),
        ("package.json", r#"{"main": "x.js"}"#),
        ("x.js", ""),
        ("compose.yaml", "services: {}"),
    ];
    check(
        &files,
        expect![[r#"
        dockerfile
            Dockerfile is in the source.
            Dockerfile:2 exposes 3000.
            Dockerfile:2 exposes 9229 too.
            Dockerfile:5 runs `node x.js`.
            or node: package.json is there too; `build: { builder: node }` asks for it.
            or compose.yaml: whole applications from compose files are not read yet.
        http 3000, tcp-9229 9229
        builds Dockerfile None {}
    "#]],
    );
    let build = |build| ComponentSpec {
        build: Some(build),
        ..ComponentSpec::default()
    };
    check_with(
        &files,
        build(BuildSpec {
            builder: BuilderChoice::Node,
            version: Some("18".into()),
            ..BuildSpec::default()
        }),
        expect![[r#"
            node
                `build: { builder: node }` says so.
                package.json: a Node.js package.
                `build.version`: Node.js 18; 18 is taken.
                package.json: main is x.js.
                No port is named in the source: it is told to listen on 8080 by the variable PORT.
                or dockerfile: Dockerfile is there too; `build: { builder: dockerfile }` asks for it.
                or compose.yaml: whole applications from compose files are not read yet.
            runs ["node", "x.js"], http 8080, 512Mi
            on node:18
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
    check_with(
        &files,
        build(BuildSpec {
            target: Some("prod".into()),
            ..BuildSpec::default()
        }),
        expect![[r#"
            spec.unknown-reference
                Dockerfile has no stage `prod`.
                Write one of base, dev.
        "#]],
    );
    check_with(
        &files,
        build(BuildSpec {
            dockerfile: Some("docker/Dockerfile".into()),
            ..BuildSpec::default()
        }),
        expect![[r#"
            build.dockerfile-missing
                There is no docker/Dockerfile in the source.
                Write its path: `build: { dockerfile: … }`. There is Dockerfile.
        "#]],
    );
}

#[test]
fn what_is_asked_wins_over_what_is_found() {
    let asked: ComponentSpec = serde_json::from_value(serde_json::json!({
        "command": ["node", "other.js"],
        "ports": { "web": { "port": 5000 } },
        "build": { "version": "24", "command": "npm run other", "env": { "MODE": "x" }, "secrets": ["TOKEN"] }
    }))
    .unwrap();
    check_with(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "node a.js", "build": "b"}}"#,
            ),
            ("a.js", "app.listen(3000)"),
        ],
        asked,
        expect![[r#"
            node
                package.json: a Node.js package.
                `build.version`: Node.js 24; 24 is taken.
                `build.command` is run: `npm run other`.
            runs ["node", "other.js"], http 5000, 512Mi
            in node:24
              build: npm run other
                from **
            on node:24
              /app -> /app without node_modules .git .next/cache .npmrc *.Dockerfile
        "#]],
    );
}

// ---- what is not built

#[test]
fn other_languages_are_named_with_a_way_out() {
    for (file, language) in [
        ("composer.json", "PHP"),
        ("pom.xml", "Java"),
        ("Cargo.toml", "Rust"),
        ("Gemfile", "Ruby"),
        ("mix.exs", "Elixir"),
        ("deno.json", "Deno"),
        ("Shop.csproj", ".NET"),
    ] {
        let tree = SourceTree::from_texts([(file, ""), ("package.json", "{}")]);
        let problem = detect::component(&tree, ".", &ComponentSpec::default()).unwrap_err();
        assert_eq!(problem.code, "source.unknown", "{file}");
        assert!(problem.cause.contains(language), "{}", problem.cause);
        assert!(problem.remedy.contains("Dockerfile"));
    }
}

#[test]
fn a_folder_of_projects_says_which() {
    check(
        &[
            ("README.md", ""),
            ("web/package.json", "{}"),
            ("web/vendor/package.json", "{}"),
            ("services/api/go.mod", ""),
            ("services/job/requirements.txt", ""),
            ("legacy/pom.xml", ""),
        ],
        expect![[r#"
            source.unknown
                The folder itself holds no application, but folders in it do: legacy (Java), web (Node.js), services/api (Go), services/job (Python).
                Name one: `pluvio deploy web`, or a component for each in app.yaml with `source: { path: web }`.
        "#]],
    );
    check(
        &[
            ("docker-compose.yml", "services: {}"),
            ("web/index.html", ""),
        ],
        expect![[r#"
            source.unknown
                docker-compose.yml is a compose file, and nothing else in the folder can be built.
                Whole applications from compose files come later. Until then, deploy one folder: `pluvio deploy web`, or name each in app.yaml with `source: { path: FOLDER }`.
        "#]],
    );
    check(
        &[("compose.yaml", "services: {}")],
        expect![[r#"
        source.unknown
            compose.yaml is a compose file, and nothing else in the folder can be built.
            Whole applications from compose files come later. Until then, write app.yaml: each service is a component, with `image` or `source`.
    "#]],
    );
    check(
        &[("notes.txt", ""), ("data/x.csv", "")],
        expect![[r#"
        source.unknown
            Nothing tells how to build this folder. It holds notes.txt, data.
            Add a Dockerfile, or one of package.json (Node.js), requirements.txt or pyproject.toml (Python), go.mod (Go), index.html (static).
    "#]],
    );
    check(
        &[],
        expect![[r#"
        source.missing
            The folder holds no files.
            Name a folder with an application in it.
    "#]],
    );
}

#[test]
fn a_component_in_a_folder_is_planned_there() {
    let tree = SourceTree::from_texts([("web/index.html", ""), ("api/package.json", "oops")]);
    let asked = |folder: &str| ComponentSpec {
        source: Some(SourceSpec::Path(folder.into())),
        ..ComponentSpec::default()
    };
    let found = detect::in_source(&tree, &asked("./web/")).unwrap();
    let BuildPlan::Steps(plan) = found.build else {
        panic!("steps")
    };
    assert_eq!(plan.root, "web");
    assert_eq!(
        detect::in_source(&tree, &asked("nowhere"))
            .unwrap_err()
            .code,
        "source.missing"
    );
}

/// A specification that detection filled in is what a later build asks with; it must not change the build.
#[test]
fn what_was_filled_in_gives_the_same_plan() {
    for files in [
        &[
            ("requirements.txt", "flask\n"),
            ("app.py", "app = Flask(__name__)\n'/healthz'\n"),
        ][..],
        &[
            ("requirements.txt", "fastapi\n"),
            ("main.py", "app = FastAPI()\n"),
        ],
        &[
            (
                "package.json",
                r#"{"scripts": {"build": "b", "start": "node s.js"}, "devDependencies": {"b": "1"}}"#,
            ),
            ("s.js", "s.listen(3000)"),
        ],
        &[(
            "package.json",
            r#"{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}"#,
        )],
        &[
            ("go.mod", "module x\n"),
            (
                "main.go",
                "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }\n",
            ),
        ],
        &[("index.html", "")],
        &[
            ("Procfile", "web: gunicorn app:app\n"),
            ("requirements.txt", "flask\n"),
            ("app.py", ""),
        ],
    ] {
        let tree = SourceTree::from_texts(files.iter().copied());
        let first = detect::component(&tree, ".", &ComponentSpec::default()).unwrap();
        let again = detect::component(&tree, ".", &first.component).unwrap();
        assert_eq!(first.build, again.build);
        assert_eq!(first.kind, again.kind);
    }
}

#[test]
fn the_same_tree_gives_the_same_plan_and_keys_move_with_their_inputs() {
    let files = [
        (
            "package.json",
            r#"{"scripts": {"build": "x"}, "dependencies": {"a": "1"}}"#,
        ),
        ("package-lock.json", "{}"),
        ("server.js", "listen"),
    ];
    let tree = SourceTree::from_texts(files);
    let plan = || match detect::component(&tree, ".", &ComponentSpec::default())
        .unwrap()
        .build
    {
        BuildPlan::Steps(plan) => plan,
        BuildPlan::Dockerfile(_) => panic!("steps"),
    };
    assert_eq!(plan(), plan());
    let keys = |changed: &str| {
        let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        plan().keys("sha256:base", &paths, |path| {
            if path == changed {
                "new".into()
            } else {
                path.to_owned()
            }
        })
    };
    let before = keys("");
    assert_eq!(
        before["dependencies"],
        keys("server.js")["dependencies"],
        "source does not install packages again"
    );
    assert_ne!(before["build"], keys("server.js")["build"]);
    assert_ne!(
        before["dependencies"],
        keys("package-lock.json")["dependencies"]
    );
    assert_ne!(before["build"], keys("package-lock.json")["build"]);
    assert_ne!(
        before["build"],
        plan().keys("sha256:other", &["server.js"], str::to_owned)["build"]
    );
}

mod anything {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Manifests and programs of any text: a plan or a problem, never a panic, and every plan is one that can be followed.
        #[test]
        fn is_planned_or_refused(
            files in proptest::collection::vec(
                (prop_oneof![
                    Just("package.json"), Just("pyproject.toml"), Just("requirements.txt"), Just("go.mod"), Just("main.go"), Just("app.py"),
                    Just("Dockerfile"), Just("Procfile"), Just("index.html"), Just("server.js"), Just("Pipfile"), Just("cmd/x/main.go"), Just(".nvmrc"),
                    Just("manage.py"), Just("angular.json"), Just("yarn.lock"),
                ], prop_oneof![
                    ".{0,40}",
                    Just("{}".to_owned()),
                    Just("{\"scripts\":{\"build\":\"b\",\"start\":\"s\"},\"dependencies\":{\"next\":\"1\"},\"devDependencies\":[]}".to_owned()),
                    Just("app = Flask(__name__)\nx = FastAPI(\n".to_owned()),
                    Just("package main\nfunc main() {}\n".to_owned()),
                    Just("FROM a AS b\nEXPOSE 1\n".to_owned()),
                ]),
                0..6,
            )
        ) {
            let tree = SourceTree::from_texts(files);
            match detect::component(&tree, ".", &ComponentSpec::default()) {
                Ok(found) => {
                    prop_assert!(!found.why.is_empty());
                    if let BuildPlan::Steps(plan) = found.build {
                        prop_assert!(!plan.outputs.is_empty());
                        prop_assert!(!plan.run.command.is_empty());
                        prop_assert!(plan.steps.is_empty() || plan.build_base.is_some());
                        for output in &plan.outputs {
                            if let Some(step) = &output.step {
                                let made = plan.steps.iter().find(|s| s.name == *step).expect("the step is there");
                                prop_assert!(made.produces.contains(&output.from));
                            }
                        }
                        for step in &plan.steps {
                            for earlier in &step.after {
                                prop_assert!(plan.steps.iter().any(|s| s.name == *earlier), "{} after {}", step.name, earlier);
                            }
                        }
                    }
                }
                Err(problem) => prop_assert!(!problem.remedy.is_empty()),
            }
        }
    }
}

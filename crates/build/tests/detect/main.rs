//! What detection says of folders, told as stories: each test gives files and shows what follows from them.

mod choice;
mod go;
mod node;
mod plans;
mod python;
mod refused;

use expect_test::{Expect, expect};
use pluvio_build::detect::{self, Detected, SourceTree, kind_name};
use pluvio_build::plan::{Base, BuildPlan, StepsPlan};
use pluvio_model::problem::Problem;
use pluvio_model::spec::{Command, ComponentSpec};

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

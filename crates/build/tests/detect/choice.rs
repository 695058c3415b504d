//! Pages, Dockerfiles, and what is asked for.

use expect_test::expect;
use pluvio_model::spec::{BuildSpec, BuilderChoice, Command, ComponentSpec};

use super::{check, check_with};

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

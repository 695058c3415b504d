//! What `pluvio plan` says of whole inputs: folders with and without app.yaml, texts, images.

use expect_test::{Expect, expect};
use pluvio_build::detect::SourceTree;
use pluvio_build::plan_compose::Asked;
use pluvio_build::plan_source::{self, Planned};
use pluvio_model::name::Name;

fn shop() -> Name {
    "shop".parse().unwrap()
}

fn tell(planned: &Planned) -> String {
    let mut out = format!("{}\n", planned.detected.kind);
    for why in &planned.detected.why {
        out += &format!("    {why}\n");
    }
    out += &pluvio_formats::app::write(&planned.spec);
    for row in &planned.report {
        out += &format!("{} {}", row.outcome.as_str(), row.at);
        if let Some(line) = row.line {
            out += &format!(" (line {line})");
        }
        out += &format!(": {}\n", row.message);
    }
    for problem in &planned.errors {
        let at = problem.at.clone().unwrap_or_default();
        out += &format!(
            "{} {}:{} {}\n    {}\n    {}\n",
            problem.code,
            at.file.unwrap_or_default(),
            at.line.unwrap_or_default(),
            at.path,
            problem.cause,
            problem.remedy
        );
    }
    out
}

fn folder(files: &[(&str, &str)], want: Expect) {
    let tree = SourceTree::from_texts(files.iter().copied());
    want.assert_eq(&tell(&plan_source::of_tree(&tree, Some(&shop()))));
}

fn text(text: &str, file: &str, want: Expect) {
    want.assert_eq(&tell(&plan_source::of_text(text, file, &Asked::default())));
}

#[test]
fn a_folder_without_app_yaml_becomes_one_component() {
    folder(
        &[
            (
                "package.json",
                r#"{"scripts": {"start": "node server.js"}}"#,
            ),
            (
                "server.js",
                "app.get('/healthz'); app.listen(process.env.PORT || 3000)",
            ),
        ],
        expect![[r#"
            node
                package.json: a Node.js package.
                No version of Node.js is named: the default is taken.
                package.json: the start script is `node server.js`; it is run without npm, so that it is told to stop.
                server.js:1 reads PORT: it is told to listen on 3000.
                server.js:1 answers /healthz: it is the readiness check.
            apiVersion: pluvio/v1
            name: shop
            components:
              web:
                source: { path: . }
                command: [node, server.js]
                resources:
                  memory: { limit: 512Mi }
                ports:
                  http: { port: 3000 }
                probes:
                  ready:
                    http: { path: /healthz }
        "#]],
    );
    folder(
        &[("Dockerfile", "FROM scratch\n")],
        expect![[r#"
        dockerfile
            Dockerfile is in the source.
            Dockerfile exposes no port: which ones its base image exposes is known once it is built.
        apiVersion: pluvio/v1
        name: shop
        components:
          web:
            source: { path: . }
        adapted components.web.ports: Unknown until built: the ports that the image exposes are taken.
    "#]],
    );
    folder(
        &[("Chart.yaml", "name: x\n")],
        expect![[r#"
        unknown
        apiVersion: pluvio/v1
        name: shop
        source.unknown :0 
            Chart.yaml is a Helm chart; reading these comes later.
            Until then, write app.yaml: each part that runs is a component, with `image` or `source`. `pluvio schema app` describes it.
    "#]],
    );
}

#[test]
fn app_yaml_wins_and_detection_fills_what_it_leaves_open() {
    let server = "app.listen(process.env.PORT || 3000) // '/healthz'";
    folder(
        &[
            (
                "app.yaml",
                "name: mine\ncomponents:\n  web:\n    source: { path: web }\n    ports: { http: { port: 9000 } }\n  api:\n    source: { path: ./api/ }\n  night:\n    kind: cron\n    schedule: 0 3 * * *\n    source: { path: web }\n    command: [node, night.js]\n",
            ),
            ("web/package.json", r#"{"main": "server.js"}"#),
            ("web/server.js", server),
            ("api/go.mod", "module api\n"),
            (
                "api/main.go",
                "package main\nfunc main() { http.ListenAndServe(\":9000\", nil) }\n",
            ),
        ],
        expect![[r#"
            app.yaml
                app.yaml says what the application is.
                web: package.json: a Node.js package.
                web: No version of Node.js is named: the default is taken.
                web: package.json: main is server.js.
                web: server.js:1 answers /healthz: it is the readiness check.
                api: go.mod: the module api.
                api: go.mod names no version of Go: the default is taken.
                api: main.go: the program that is built.
                api: main.go:2 listens on 9000.
                night: package.json: a Node.js package.
                night: No version of Node.js is named: the default is taken.
                night: server.js:1 reads PORT: it is told to listen on 3000.
                night: server.js:1 answers /healthz: it is the readiness check.
            apiVersion: pluvio/v1
            name: mine
            components:
              web:
                source: { path: web }
                command: [node, server.js]
                resources:
                  memory: { limit: 512Mi }
                ports:
                  http: { port: 9000 }
                probes:
                  ready:
                    http: { path: /healthz }
              api:
                source: { path: ./api/ }
                command: [/usr/local/bin/app]
                resources:
                  memory: { limit: 256Mi }
                ports:
                  http: { port: 9000 }
              night:
                kind: cron
                source: { path: web }
                schedule: 0 3 * * *
                command: [node, night.js]
                resources:
                  memory: { limit: 512Mi }
            adapted components.web.command (line 3): Filled in from the source: `node server.js`.
            adapted components.web.probes (line 3): Filled in from the source: ready when /healthz answers.
            adapted components.web.resources (line 3): Filled in by kind of program: at most 512Mi of memory.
            adapted components.api.ports (line 6): Filled in from the source: http 9000.
            adapted components.api.command (line 6): Filled in from the source: `/usr/local/bin/app`.
            adapted components.api.resources (line 6): Filled in by kind of program: at most 256Mi of memory.
            adapted components.night.resources (line 8): Filled in by kind of program: at most 512Mi of memory.
        "#]],
    );
    folder(
        &[
            ("app.yaml", "env: { A: 1 }\nsource: { path: . }\n"),
            ("index.html", ""),
        ],
        expect![[r#"
            static
                app.yaml says what the application is.
                index.html is a page, and nothing else tells a program.
                The base image's web server serves it on 8080.
            apiVersion: pluvio/v1
            name: shop
            components:
              web:
                source: { path: . }
                resources:
                  memory: { limit: 64Mi }
                ports:
                  http: { port: 8080 }
                env:
                  A: "1"
            adapted  (line 1): The component's fields stand at the top of the file; the component is called `web`.
            adapted name: The file gives no name: the application is called `shop`.
            adapted components.web.ports (line 1): Filled in from the source: http 8080.
            adapted components.web.resources (line 1): Filled in by kind of program: at most 64Mi of memory.
        "#]],
    );
    folder(
        &[("app.yaml", "name: bare\n"), ("index.html", "")],
        expect![[r#"
            static
                app.yaml says what the application is.
                index.html is a page, and nothing else tells a program.
                The base image's web server serves it on 8080.
            apiVersion: pluvio/v1
            name: bare
            components:
              web:
                source: { path: . }
                resources:
                  memory: { limit: 64Mi }
                ports:
                  http: { port: 8080 }
            adapted components.web: The file names no component: the folder itself is one, called `web`.
            adapted components.web.ports (line 1): Filled in from the source: http 8080.
            adapted components.web.resources (line 1): Filled in by kind of program: at most 64Mi of memory.
        "#]],
    );
}

#[test]
fn what_is_wrong_is_placed_in_the_file() {
    folder(
        &[
            (
                "app.yaml",
                "name: mine\ncomponents:\n  web:\n    source: { path: nowhere }\n  api:\n    source: { path: api }\n    uses: [wbe]\n  job:\n    source: { path: job }\n",
            ),
            ("api/composer.json", "{}"),
            ("job/package.json", "{ oops"),
        ],
        expect![[r#"
            app.yaml
                app.yaml says what the application is.
            apiVersion: pluvio/v1
            name: mine
            components:
              web:
                source: { path: nowhere }
              api:
                source: { path: api }
                uses: [wbe]
              job:
                source: { path: job }
            spec.invalid job/package.json:1 
                package.json is not valid JSON: key must be a string at line 1 column 3.
                Correct it; `npm pkg get name` shows whether npm can read it.
            source.missing app.yaml:4 components.web.source
                The folder `nowhere` holds no files.
                Correct `source: { path: … }`; it is relative to app.yaml. Files that .gitignore or .pluvioignore name do not count.
            source.unknown app.yaml:6 components.api.source
                composer.json tells that this is PHP source, which is not built without a Dockerfile yet.
                Add a Dockerfile to the folder and deploy again; it is found by its name. Built without one are Node.js, Python, Go and static sites.
            spec.unknown-reference app.yaml:7 components.api.uses[0]
                There is no component `wbe`.
                Did you mean `web`? Otherwise declare it under `components`.
        "#]],
    );
    folder(
        &[("app.yaml", "name: mine\nimage: nginx\nprots: {}\n")],
        expect![[r#"
            app.yaml
            apiVersion: pluvio/v1
            name: shop
            spec.unknown-key app.yaml:3 prots
                There is no key `prots` at the top of the file.
                Did you mean `ports`?
        "#]],
    );
}

#[test]
fn texts_of_other_formats_are_named() {
    text(
        "services:\n  web: { image: nginx }\n",
        "compose.yaml",
        expect![[r#"
            compose
                compose.yaml is a compose file.
            apiVersion: pluvio/v1
            name: app
            components:
              web:
                image: docker.io/library/nginx:latest
                imagePorts: true
                restart: on-failure
                routes: []
        "#]],
    );
    text(
        "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Service\n",
        "all.yaml",
        expect![[r#"
            unknown
            apiVersion: pluvio/v1
            name: app
            source.unknown :0 
                all.yaml is Kubernetes YAML; reading these comes later.
                Until then, write app.yaml: each part that runs is a component, with `image` or `source`. `pluvio schema app` describes it.
        "#]],
    );
    text(
        "docker run -p 80:80 nginx",
        "-",
        expect![[r#"
            docker run
                It is a line that runs a container.
            apiVersion: pluvio/v1
            name: nginx
            components:
              nginx:
                image: docker.io/library/nginx:latest
                ports:
                  http: { port: 80 }
                imagePorts: true
            adapted --publish (line 1): 80:80 looks like HTTP: it is reached through the gateway, at the application's address, and redeploys lose no request.
        "#]],
    );
    text(
        "FROM debian\n",
        "Dockerfile",
        expect![[r#"
        unknown
        apiVersion: pluvio/v1
        name: app
        source.unknown :0 
            Dockerfile is a Dockerfile.
            Name the folder it is in: `pluvio plan FOLDER`.
    "#]],
    );
    text(
        "name: one\nimage: nginx\n",
        "-",
        expect![[r#"
            app.yaml
                The input says what the application is.
            apiVersion: pluvio/v1
            name: one
            components:
              web:
                image: docker.io/library/nginx:latest
            adapted  (line 2): The component's fields stand at the top of the file; the component is called `web`.
            adapted components.web (line 2): Ports, command, user and volumes: unknown until pulled; the image's own are taken.
        "#]],
    );
}

#[test]
fn an_image_is_unknown_until_pulled() {
    let image = |text: &str, want: Expect| {
        want.assert_eq(&tell(&plan_source::of_image(text, &Asked::default())))
    };
    image(
        "grafana/grafana:11",
        expect![[r#"
        image
            `grafana/grafana:11` names the image docker.io/grafana/grafana:11.
        apiVersion: pluvio/v1
        name: grafana
        components:
          web:
            image: docker.io/grafana/grafana:11
        adapted components.web: Ports, command, user and volumes: unknown until pulled; the image's own are taken.
    "#]],
    );
    image(
        "Not An Image",
        expect![[r#"
        unknown
        apiVersion: pluvio/v1
        name: app
        source.unknown :0 
            `Not An Image` is no folder or file here, and no image: "Not An Image" is not an image reference: the repository may hold lower-case letters, digits and . _ - between them.
            Name a folder, an app.yaml, a Git URL, or an image such as nginx:1.29 or registry.example/team/app:1.
    "#]],
    );
    image(
        "docker run nginx",
        expect![[r#"
            docker run
                It is a line that runs a container.
            apiVersion: pluvio/v1
            name: nginx
            components:
              nginx:
                image: docker.io/library/nginx:latest
                imagePorts: true
                restart: on-failure
                routes: []
        "#]],
    );
}

#[test]
fn the_wire_form_is_that_of_the_interface() {
    let planned = plan_source::of_image("nginx", &Asked::default());
    let json = serde_json::to_value(&planned).unwrap();
    expect![[r#"
        {
          "detected": {
            "kind": "image",
            "why": [
              "`nginx` names the image docker.io/library/nginx:latest."
            ],
            "alternatives": []
          },
          "spec": {
            "apiVersion": "pluvio/v1",
            "name": "nginx",
            "components": {
              "web": {
                "kind": "service",
                "image": "docker.io/library/nginx:latest"
              }
            }
          },
          "report": [
            {
              "outcome": "adapted",
              "at": "components.web",
              "message": "Ports, command, user and volumes: unknown until pulled; the image's own are taken.",
              "remedy": "Declare `ports` in app.yaml to fix them."
            }
          ],
          "errors": []
        }"#]].assert_eq(&serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn the_samples_are_planned_without_errors() {
    for name in ["node", "python", "go", "static", "dockerfile"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../samples")
            .join(name);
        let planned = plan_source::of_folder(&folder, Some(&shop())).unwrap();
        assert_eq!(planned.errors, [], "{name}");
        assert_eq!(planned.spec.name, shop());
        let component = &planned.spec.components["web"];
        assert!(!component.ports.is_empty(), "{name}");
    }
}

#[test]
fn a_folder_with_a_template_of_dokploy_is_read_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: ghost:6\n    environment: { PASSWORD: \"${PASSWORD}\" }\n    volumes: [../files/a.conf:/a.conf]\n",
    );
    write(
        "template.toml",
        "[variables]\npw = \"${password:16}\"\n[config.env]\nPASSWORD = \"${pw}\"\n[[config.domains]]\nserviceName = \"web\"\nport = 2368\nhost = \"${domain}\"\n[[config.mounts]]\nfilePath = \"/a.conf\"\ncontent = \"at ${domain}\"\n",
    );
    let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
    assert_eq!(planned.errors, []);
    assert_eq!(planned.detected.kind, "dokploy");
    let web = &planned.spec.components["web"];
    assert_eq!(web.env["PASSWORD"].0, "${secrets.pw}");
    assert_eq!(web.ports["http"].port, 2368);
    assert_eq!(web.files[0].content, "at shop.localhost");
    assert!(planned.spec.secrets["pw"].generate);
}

#[test]
fn a_file_of_the_wrong_kind_says_what_it_is() {
    let cases = [
        ("FROM debian\nRUN true\n", "x", "is a Dockerfile"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: { name: a }\n",
            "x.yaml",
            "is Kubernetes YAML",
        ),
        (
            "apiVersion: v2\nname: a\nversion: 1.0.0\n",
            "Chart.yaml",
            "is a Helm chart",
        ),
        (
            "image: {{ .Values.image }}\n",
            "deployment.yaml",
            "is a file of a Helm chart",
        ),
        (
            r#"{"name": "a", "version": "1", "scripts": {"start": "x"}}"#,
            "p.json",
            "is the package.json",
        ),
        (
            r#"{"group_key": "x", "group_name": "y", "apps": []}"#,
            "metadata.json",
            "package of Rainbond's",
        ),
        (
            r#"[{"Id": "1", "Config": {}, "HostConfig": {}}]"#,
            "-",
            "`docker inspect`",
        ),
        (r#"{"env": {"A": "b"}}"#, "-", "an app.json of Heroku's"),
        (
            "app = \"a\"\n[http_service]\ninternal_port = 80\n",
            "fly.toml",
            "a file of Fly's",
        ),
        (
            "[variables]\nmain = \"${domain}\"\n[config]\n",
            "t.toml",
            "a template of Dokploy's without",
        ),
        ("web: node a.js\nworker: node b.js\n", "-", "is a Procfile"),
        (
            "A=1\n# note\nexport B=2\n",
            "settings",
            "a file of variables",
        ),
        ("<!DOCTYPE html>\n<html></html>\n", "-", "a page of the web"),
        ("#!/bin/sh\necho hello\n", "install.sh", "is a script"),
        (
            "name: ci\non: [push]\njobs: { a: { steps: [] } }\n",
            "ci.yml",
            "a workflow of GitHub's",
        ),
        (
            "[Container]\nImage=nginx\n",
            "a.container",
            "a Quadlet of Podman's",
        ),
        (
            "web:\n  image: nginx\ndb:\n  image: postgres\n",
            "old.yml",
            "a compose file of the first version",
        ),
        (
            "resource \"aws_instance\" \"a\" {\n}\n",
            "main.tf",
            "a file of Terraform's",
        ),
    ];
    for (text, file, want) in cases {
        let planned = plan_source::of_text(text, file, &Asked::default());
        let [problem] = planned.errors.as_slice() else {
            panic!("{file}: {:?}", planned.errors);
        };
        assert_eq!(problem.code.as_str(), "source.unknown", "{file}");
        assert!(problem.cause.contains(want), "{file}: {}", problem.cause);
    }
}

#[test]
fn a_procfile_of_several_processes_is_filled_in_from_the_source() {
    let tree = SourceTree::from_texts([
        (
            "package.json",
            r#"{"scripts": {"start": "node server.js"}}"#,
        ),
        ("server.js", "app.listen(process.env.PORT || 3000)"),
        (
            "Procfile",
            "web: node server.js\nworker: node worker.js\nrelease: node migrate.js\n",
        ),
    ]);
    let planned = plan_source::of_tree(&tree, Some(&shop()));
    assert_eq!(planned.errors, []);
    assert_eq!(planned.detected.kind, "heroku");
    let (web, worker) = (
        &planned.spec.components["web"],
        &planned.spec.components["worker"],
    );
    assert_eq!(web.ports.len(), 1);
    assert!(web.release.is_some());
    assert_eq!((worker.ports.len(), worker.instances), (0, Some(0)));
    assert_eq!(worker.resources, web.resources);
    assert!(
        planned
            .report
            .iter()
            .all(|row| row.outcome != pluvio_formats::report::Outcome::Refused)
    );
}

#[test]
fn a_pasted_text_is_read_with_the_values_that_are_given() {
    let asked = Asked {
        variables: [("TAG", "7"), ("DOMAIN_HOST", "shop.example.org")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Asked::default()
    };
    let image = |text: &str| {
        let planned = plan_source::of_text(text, "-", &asked);
        assert_eq!(planned.errors, [], "{text}");
        let image = planned.spec.components[0].image.as_ref().unwrap();
        (image.to_string(), planned.unset)
    };
    let compose = "services: { web: { image: 'localhost/web:${TAG}', environment: { A: '${A}', B: '${B:-b}', C: '$A' } } }";
    assert_eq!(image(compose), ("localhost/web:7".into(), vec!["A".into()]));
    let line = "docker run -d -v $PWD/data:/data localhost/web:$TAG $NOBODY '$SAID'";
    assert_eq!(
        image(line),
        ("localhost/web:7".into(), vec!["NOBODY".into()])
    );
}

mod random;

use expect_test::{Expect, expect};

use super::{read, write};

/// What is wrong with a text, or what it says, as it would be written.
fn check(text: &str, want: Expect) {
    let shown = match read(text, "app.yaml") {
        Ok(reading) => {
            let rows: String = reading
                .report
                .iter()
                .map(|row| {
                    format!(
                        "# {} line {}: {}\n",
                        row.outcome.as_str(),
                        row.line.unwrap_or(0),
                        row.message
                    )
                })
                .collect();
            rows + &write(&reading.spec)
        }
        Err(problems) => problems
            .iter()
            .map(|problem| {
                let at = problem.at.clone().unwrap_or_default();
                format!(
                    "{}:{} {} {}\n    {}\n    {}\n{}",
                    at.line.unwrap_or_default(),
                    at.column.unwrap_or_default(),
                    at.path,
                    problem.code,
                    problem.cause,
                    problem.remedy,
                    problem
                        .evidence
                        .iter()
                        .map(|line| format!("    {line}\n"))
                        .collect::<String>()
                )
            })
            .collect(),
    };
    want.assert_eq(&shown);
}

#[test]
fn a_whole_application_comes_back_tidy() {
    check(
        include_str!("../../../tests/shop.yaml"),
        expect![[r#"
            apiVersion: pluvio/v1
            name: shop
            components:
              web:
                source: { path: . }
                build: { version: "20", command: npm run build }
                command: [node, server.js]
                instances: 2
                resources:
                  cpu: { request: 100m, limit: "1" }
                  memory: { limit: 512Mi }
                ports:
                  http: { port: 8080 }
                env:
                  LOG_LEVEL: info
                  DATABASE_URL: "${db.url}"
                  KEY: "${secrets.STRIPE_KEY}"
                files:
                  /etc/shop.toml: { content: "…", hot: true }
                volumes:
                  /data: { name: uploads, access: shared, size: 10Gi }
                uses:
                  - db
                  - { component: cache, as: CACHE }
                probes:
                  ready:
                    http: { path: /healthz }
                    period: 5s
                release:
                  command: [npm, run, migrate]
                rollout: { surge: 1, unavailable: 0, drain: 30s }
                routes:
                  - { host: shop.localhost, path: / }
              db:
                kind: database
                database: postgres@15
              cache:
                kind: database
                database: redis@7
              report:
                kind: cron
                image: localhost/report:1
                schedule: 0 3 * * *
            secrets:
              STRIPE_KEY: { generate: false }
        "#]],
    );
}

#[test]
fn one_component_may_stand_at_the_top() {
    check(
        "name: hello\nsource: { path: . }\nports: { http: { port: 3000 } }\ngroups: [common]\nsecrets: { KEY: { generate: true } }\n",
        expect![[r#"
            # adapted line 2: The component's fields stand at the top of the file; the component is called `web`.
            apiVersion: pluvio/v1
            name: hello
            components:
              web:
                source: { path: . }
                ports:
                  http: { port: 3000 }
                groups: [common]
            secrets:
              KEY: { generate: true }
        "#]],
    );
    check(
        "name: nightly\nkind: cron\nimage: report\nschedule: 0 3 * * *\n",
        expect![[r#"
            # adapted line 2: The component's fields stand at the top of the file; the component is called `cron`.
            apiVersion: pluvio/v1
            name: nightly
            components:
              cron:
                kind: cron
                image: docker.io/library/report:latest
                schedule: 0 3 * * *
        "#]],
    );
    check(
        "name: hello\nimage: nginx\nprots: { http: { port: x } }\nports: { http: { port: 99999 }, a: { prot: 1 } }\n",
        expect![[r#"
            3:1 prots spec.unknown-key
                There is no key `prots` at the top of the file.
                Did you mean `ports`?
            4:24 ports.http.port spec.invalid
                `ports.http.port` is the number 99999; what belongs there is a whole number from 0 to 65535.
                Write a whole number from 0 to 65535.
            4:38 ports.a.prot spec.unknown-key
                There is no key `prot` in `ports.a`.
                Did you mean `port`?
        "#]],
    );
    check(
        "name: hello\nimage: nginx\ncomponents: { web: { image: nginx } }\n",
        expect![[r#"
            2:1 image spec.unknown-key
                There is no key `image` at the top of the file.
                It belongs to a component: move it to one under `components`.
        "#]],
    );
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    check(
        "
name: shop
services: {}
components:
  web:
    image: nginx
    environment: { A: 1 }
    Instances: 2
    depends_on: [db]
    stop_signal: TERM
    volumes: { /data: { nmae: data } }
    banana: 1
    probes: { ready: { http: { path: / }, interval: 5 } }
    source: { folder: . }
",
        expect![[r#"
            3:1 services spec.unknown-key
                There is no key `services` at the top of the file.
                Here it is `components`.
            7:5 components.web.environment spec.unknown-key
                There is no key `environment` in `components.web`.
                Here it is `env`.
            8:5 components.web.Instances spec.unknown-key
                There is no key `Instances` in `components.web`.
                Did you mean `instances`?
            9:5 components.web.depends_on spec.unknown-key
                There is no key `depends_on` in `components.web`.
                Here it is `uses`.
            10:5 components.web.stop_signal spec.unknown-key
                There is no key `stop_signal` in `components.web`.
                Did you mean `stopSignal`?
            11:25 components.web.volumes./data.nmae spec.unknown-key
                There is no key `nmae` in `components.web.volumes./data`.
                Did you mean `name`?
            12:5 components.web.banana spec.unknown-key
                There is no key `banana` in `components.web`.
                The keys in `components.web` are aliases, backups, build, command, database, displayName, entrypoint, env, exports, external, extraHosts, files, groups, hooks, host, image, imagePorts, init, instances, kind, labels, networkAliases, networks, offline, once, options, parameters, patch, placement, ports, probes, publish, release, resources, restart, rollout, routes, scale, schedule, sidecars, source, stopSignal, user, uses, volumes, workingDir.
            13:43 components.web.probes.ready.interval spec.unknown-key
                There is no key `interval` in `components.web.probes.ready`.
                Here it is `period`.
            14:15 components.web.source.folder spec.unknown-key
                There is no key `folder` in `components.web.source`.
                The keys in `components.web.source` are git, path, svn, upload.
        "#]],
    );
}

#[test]
fn values_that_do_not_fit_say_what_belongs_there() {
    check(
        "
apiVersion: pluvio/v2
name: My Shop
components:
  web:
    kind: servce
    image: [nginx]
    instances: two
    displayName: true
    ports: { http: { port: 70000 }, HTTP: { port: 1 }, tcp: {} }
    env: { A: [1], 2B: x }
    resources: { cpu: { limit: much }, memory: { limit: 512MB } }
    volumes: { data: { name: d } }
    files: { /a: { content: x, hot: yes, mode: 999 } }
    routes: [{ host: 'a b' }, { path: x }]
    source: { path: ., git: { url: x } }
    uses: { db: 1 }
    command: { a: 1 }
    publish: [{ host: 1, port: -3 }]
",
        expect![[r#"
            2:13 apiVersion spec.invalid
                `apiVersion` is `pluvio/v2`; it can only be pluvio/v1.
                Did you mean `pluvio/v1`?
            3:7 name spec.invalid
                `name`: "My Shop" is not a name: it must start with a letter a-z; "my-shop" would do.
                Correct the value; `pluvio schema app` describes each.
            6:11 components.web.kind spec.invalid
                `components.web.kind` is `servce`; it can be service, stateful, job, cron, daemon, database, vm, external.
                Did you mean `service`?
            7:12 components.web.image spec.invalid
                `components.web.image` is a list; what belongs there is a text or a number.
                Write a text or a number.
            8:16 components.web.instances spec.invalid
                `components.web.instances` is the text "two"; what belongs there is a whole number.
                Write a whole number, without quotes.
            9:18 components.web.displayName spec.invalid
                `components.web.displayName` is true; what belongs there is a text.
                Put it in quotes: "true".
            10:28 components.web.ports.http.port spec.invalid
                `components.web.ports.http.port` is the number 70000; what belongs there is a whole number from 0 to 65535.
                Write a whole number from 0 to 65535.
            10:37 components.web.ports.HTTP spec.invalid
                `components.web.ports.HTTP`: "HTTP" is not a name: it must start with a letter a-z; "http" would do.
                Correct the value; `pluvio schema app` describes each.
            10:61 components.web.ports.tcp spec.invalid
                `components.web.ports.tcp` has no `port`.
                Add `port: …` to it.
            11:15 components.web.env.A spec.invalid
                `components.web.env.A` is a list; what belongs there is a text, a number or true/false.
                Write a text, a number or true/false.
            11:20 components.web.env.2B spec.invalid
                `components.web.env.2B`: "2B" is not a name: a variable is letters, digits and _, not starting with a digit.
                Correct the value; `pluvio schema app` describes each.
            12:32 components.web.resources.cpu.limit spec.invalid
                `components.web.resources.cpu.limit`: "much" is not an amount of CPU, such as 100m (a tenth of a core), 0.5 or 2.
                Correct the value; `pluvio schema app` describes each.
            12:57 components.web.resources.memory.limit spec.invalid
                `components.web.resources.memory.limit`: "512MB" is not a size, such as 512Mi, 1Gi or 500M.
                Correct the value; `pluvio schema app` describes each.
            13:16 components.web.volumes.data spec.invalid
                `components.web.volumes.data`: "data" is not an absolute path inside a container, such as /data.
                Correct the value; `pluvio schema app` describes each.
            14:37 components.web.files./a.hot spec.invalid
                `components.web.files./a.hot` is the text "yes"; what belongs there is true or false.
                Write true or false, without quotes.
            14:48 components.web.files./a.mode spec.invalid
                `components.web.files./a.mode`: "999" is not a file mode, such as "0644".
                Correct the value; `pluvio schema app` describes each.
            15:22 components.web.routes[0].host spec.invalid
                `components.web.routes[0].host`: `a b` is not a host name: only letters, digits, `-`, `_` and dots may be in it.
                Correct the value; `pluvio schema app` describes each.
            15:39 components.web.routes[1].path spec.invalid
                `components.web.routes[1].path`: `x` is not a path to match: it does not begin with `/`.
                Correct the value; `pluvio schema app` describes each.
            16:13 components.web.source spec.invalid
                `components.web.source` is a group of 2 keys; what belongs there is exactly one of the keys path, git, svn, upload.
                Write exactly one of the keys path, git, svn, upload.
            17:11 components.web.uses spec.invalid
                `components.web.uses` is a group of keys; what belongs there is a list.
                Write a list.
        "#]],
    );
    check(
        "- a\n- b\n",
        expect![[r#"
        1:1  spec.invalid
            The file is a list; what belongs there is a group of keys with values.
            Write a group of keys with values.
    "#]],
    );
    check(
        "",
        expect![[r#"
        1:1  spec.invalid
            The file has no `name`.
            Add a line `name: …`: the application's name.
    "#]],
    );
    check(
        "just text",
        expect![[r#"
        1:1  spec.invalid
            The file is the text "just text"; what belongs there is a group of keys with values.
            Write a group of keys with values.
    "#]],
    );
}

#[test]
fn scalars_keep_what_was_written() {
    check(
        "
name: scalars
image: app:1.10
command: [run, 8080, 1.50, yes]
user: 1000
build: { version: 3.10 }
source: { path: . }
env:
  VERSION: 1.10
  OCTAL: 0644
  TIME: 22:22
  NO: no
  YES: True
  EMPTY:
  QUOTED: \"1.0\"
  BIG: 123456789012345678901234567890
files:
  /etc/a: { content: \"x\\n  y\\n\", mode: 0600 }
rollout: { drain: 30 }
",
        expect![[r##"
            # adapted line 3: The component's fields stand at the top of the file; the component is called `web`.
            apiVersion: pluvio/v1
            name: scalars
            components:
              web:
                source: { path: . }
                build: { version: "3.10" }
                image: docker.io/library/app:1.10
                command: [run, "8080", "1.50", "yes"]
                user: "1000"
                env:
                  VERSION: "1.10"
                  OCTAL: "0644"
                  TIME: "22:22"
                  "NO": "no"
                  "YES": "True"
                  EMPTY: ""
                  QUOTED: "1.0"
                  BIG: "123456789012345678901234567890"
                files:
                  /etc/a:
                    content: |
                      x
                        y
                    mode: "0600"
                rollout: { drain: 30s }
        "##]],
    );
}

#[test]
fn anchors_and_merges_are_resolved() {
    check(
        "
x-base: &base
  image: app
  env: &env { A: 1, B: 2 }
name: anchors
components:
  web:
    <<: *base
    env: { <<: *env, B: 3 }
  worker: { <<: [{ instances: 2 }, *base] }
",
        expect![[r##"
            # ignored line 2: Keys that begin with `x-` hold anchors and notes.
            apiVersion: pluvio/v1
            name: anchors
            components:
              web:
                image: docker.io/library/app:latest
                env:
                  B: "3"
                  A: "1"
              worker:
                image: docker.io/library/app:latest
                instances: 2
                env:
                  A: "1"
                  B: "2"
        "##]],
    );
}

#[test]
fn what_is_not_yaml_is_shown_with_its_line() {
    check(
        "name: shop\nimage: \"nginx\nports: x\n",
        expect![[r#"
        2:8  spec.syntax
            Line 2: invalid indentation in quoted scalar.
            Close the quote; inside double quotes a backslash is written twice.
            2 | image: "nginx
              |        ^
    "#]],
    );
    check(
        "name: shop\nimage: a: b\n",
        expect![[r#"
        2:9  spec.syntax
            Line 2: mapping values are not allowed in this context.
            Look at this line and the one above: a text with `: ` in it needs quotes, and keys of one map begin in the same column.
            2 | image: a: b
              |         ^
    "#]],
    );
    check(
        "name: shop\n\timage: a\n",
        expect![[r#"
        1:7  spec.syntax
            Line 1: while scanning a plain scalar, found a tab.
            Indent with spaces; YAML allows no tabs there.
            1 | name: shop
              |       ^
    "#]],
    );
    check(
        "name: shop\nname: other\nimage: *no\n",
        expect![[r#"
        2:1 name spec.syntax
            `name` is given twice: on line 1 and on line 2.
            Keep one of them.
            2 | name: other
              | ^
        3:8  spec.syntax
            Line 3: while parsing node, found unknown anchor.
            Name an anchor (`&name`) that comes before the alias (`*name`).
            3 | image: *no
              |        ^
    "#]],
    );
    check(
        "name: a\nname: b\nenv: { X: 1, X: 2 }\n? [a]\n: b\nimage: !docker x\n",
        expect![[r#"
            2:1 name spec.syntax
                `name` is given twice: on line 1 and on line 2.
                Keep one of them.
                2 | name: b
                  | ^
            3:14 env.X spec.syntax
                `X` is given twice: on line 3 and on line 3.
                Keep one of them.
                3 | env: { X: 1, X: 2 }
                  |              ^
            4:3  spec.syntax
                The key on line 4 is a list or a map.
                Keys are plain words; write one.
                4 | ? [a]
                  |   ^
            6:8 image spec.syntax
                The tag `!docker` means nothing here.
                Leave it out; only YAML's own tags (`!!str`, `!!int` …) are read.
                6 | image: !docker x
                  |        ^
        "#]],
    );
    check(
        "name: shop\n---\nname: other\n",
        expect![[r#"
        2:1  spec.syntax
            A second document begins on line 2.
            Keep one document in the file; remove the `---` and what follows.
            2 | ---
              | ^
    "#]],
    );
    check(
        "name: [[[[\n",
        expect![[r#"
        2:1  spec.syntax
            Line 2: while parsing a node, did not find expected node content.
            Look at this line and the one above: indentation, a missing `: ` or `- `, a bracket or quote that is not closed.
    "#]],
    );
}

#[test]
fn a_small_text_cannot_become_a_large_value() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..) {
        let items = vec![format!("*{last}"); 10].join(",");
        bomb.push_str(&format!("{this}: &{this} [{items}]\n"));
    }
    let problems = read(&bomb, "app.yaml").unwrap_err();
    assert_eq!(problems[0].code, "spec.too-large");

    let repeated = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        vec!["*a"; 90_000].join(",")
    );
    let problems = read(&repeated, "app.yaml").unwrap_err();
    assert_eq!(problems[0].code, "spec.too-large");

    let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
    let problems = read(&deep, "app.yaml").unwrap_err();
    assert_eq!(problems[0].code, "spec.syntax", "{problems:?}");

    let long = "a".repeat(2 << 20);
    assert_eq!(
        read(&long, "app.yaml").unwrap_err()[0].code,
        "spec.too-large"
    );
    let endless = read("a: &a [*a]\n", "app.yaml").unwrap_err();
    assert_eq!(endless[0].code, "spec.syntax");
}

proptest::proptest! {
    #[test]
    fn a_written_specification_is_read_back(spec in random::app()) {
        let text = write(&spec);
        match read(&text, "app.yaml") {
            Ok(reading) => proptest::prop_assert_eq!(reading.spec, spec, "{}", text),
            Err(problems) => proptest::prop_assert!(false, "{:?}\n{}", problems, text),
        }
    }

    #[test]
    fn c8_an_exported_compose_file_comes_back_as_it_was(spec in random::app()) {
        let (text, _) = crate::compose::export::write(&spec);
        let project = crate::compose::Project {
            files: vec!["compose.yaml".into()],
            text: Some(text),
            ..Default::default()
        };
        let import = crate::compose::read(&project, &crate::compose::Nothing);
        proptest::prop_assert_eq!(import.spec, spec);
    }

    #[test]
    fn any_specification_is_validated(spec in random::app()) {
        let problems = crate::validate(&spec);
        for problem in problems {
            proptest::prop_assert!(!problem.cause.is_empty() && !problem.remedy.is_empty());
            proptest::prop_assert!(problem.at.is_some_and(|at| !at.path.is_empty()));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = super::check(&String::from_utf8_lossy(&bytes), "app.yaml");
    }

    #[test]
    fn anything_like_yaml_is_read_or_refused(text in "([a-c]{0,2}[:{}\\[\\],&*!|>'\"%@`#?~<=. \t\n-]{0,3}){0,40}") {
        let _ = super::check(&text, "app.yaml");
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(cut in 0usize..1200, insert in "[-:{}\\[\\]\"'&*\n\t #a]{0,3}", skip in 0usize..20) {
        let text = include_str!("../../../tests/shop.yaml");
        let edge = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) { at -= 1; }
            at
        };
        let (from, to) = (edge(cut), edge(cut + skip));
        let damaged = format!("{}{insert}{}", &text[..from], &text[to..]);
        let (_, problems) = super::check(&damaged, "app.yaml");
        for problem in problems {
            proptest::prop_assert!(problem.at.is_some_and(|at| at.line.is_some()), "{}", problem.cause);
        }
    }
}

//! What cannot be: each is refused at its line, with what to do.

use pluvio_formats::app;

/// What is written, the line that is named, the code, and a part of cause and remedy.
const TABLE: &[(&str, u32, &str, &str, &str)] = &[
    // Components that wait for each other.
    (
        "components:
  web: { image: a, uses: [api] }
  api: { image: a, uses: [db], routes: [] }
  db: { image: a, uses: [web], routes: [] }
",
        3,
        "spec.conflict",
        "web → api → db → web",
        "uses",
    ),
    (
        "components:
  web: { image: a, uses: [web] }
",
        3,
        "spec.conflict",
        "cannot wait for itself",
        "",
    ),
    // Names that refer to nothing.
    (
        "components:
  web: { image: a, uses: [dbb] }
  db: { image: b, routes: [] }
",
        3,
        "spec.unknown-reference",
        "dbb",
        "db",
    ),
    (
        "components:
  web: { image: a, env: { URL: \"${db.url}\" } }
",
        3,
        "spec.unknown-reference",
        "db",
        "",
    ),
    (
        "components:
  web: { image: a, groups: [comon] }
groups: { common: { env: { A: b } } }
",
        3,
        "spec.unknown-reference",
        "comon",
        "common",
    ),
    (
        "components:
  web:
    image: a
    routes: [{ path: /, port: htp }]
    ports: { http: { port: 80 } }
",
        5,
        "spec.unknown-reference",
        "htp",
        "http",
    ),
    // Two that want the same.
    (
        "components:
  web: { image: a, ports: { http: { port: 80 } }, routes: [{ host: a.test }] }
  api: { image: a, ports: { http: { port: 80 } }, routes: [{ host: a.test }] }
",
        4,
        "spec.conflict",
        "a.test",
        "",
    ),
    (
        "components:
  web: { image: a, volumes: { /data: { name: data } } }
  api: { image: a, routes: [], volumes: { /data: { name: data } } }
",
        4,
        "spec.conflict",
        "exclusive",
        "shared",
    ),
    (
        "components:
  web: { image: a, instances: 2, volumes: { /data: { name: data } } }
",
        3,
        "spec.conflict",
        "exclusive",
        "",
    ),
    // Exports of one name.
    (
        "components:
  web: { image: a, uses: [one, two] }
  one: { image: a, routes: [], exports: { URL: one } }
  two: { image: a, routes: [], exports: { URL: two } }
",
        3,
        "spec.conflict",
        "URL",
        "",
    ),
    // Schedules that are none.
    (
        "components:
  night: { kind: cron, image: a, schedule: \"61 * * * *\" }
",
        3,
        "spec.invalid",
        "",
        "",
    ),
    (
        "components:
  night: { kind: cron, image: a }
",
        3,
        "spec.invalid",
        "",
        "schedule",
    ),
];

#[test]
fn each_is_refused_at_its_line_with_a_remedy() {
    let mut wrong = String::new();
    for (text, line, code, cause, remedy) in TABLE {
        let (_, problems) = app::check(&format!("name: shop\n{text}"), "app.yaml");
        let found = problems.iter().any(|problem| {
            problem.code == *code
                && problem.at.as_ref().and_then(|at| at.line) == Some(*line)
                && problem.cause.contains(cause)
                && !problem.remedy.is_empty()
                && problem.remedy.contains(remedy)
        });
        if !found {
            wrong += text;
            for problem in &problems {
                let line = problem.at.as_ref().and_then(|at| at.line);
                wrong += &format!("    {line:?} {problem} → {}\n", problem.remedy);
            }
        }
    }
    assert!(wrong.is_empty(), "not as in the table:\n{wrong}");
}

//! What is made of a service by what it does not say, and by what others say.

use pluvio_model::spec::{Kind, RestartPolicy, SourceSpec};

use super::*;

/// Outcomes and places of the rows whose place ends so.
fn told(import: &Import, end: &str) -> Vec<String> {
    let rows = import.report.iter().filter(|row| row.at.ends_with(end));
    rows.map(|row| format!("{} {}", row.outcome.as_str(), row.at))
        .collect()
}

#[test]
fn a_step_that_is_done_is_not_done_again() {
    let import = read_text(
        "
name: shop
services:
  buckets: { image: 'localhost/mc:1', entrypoint: [sh, -c, 'mc mb store/a'], depends_on: [store] }
  store: { image: 'localhost/store:1', expose: [9000] }
  web: { image: 'localhost/web:1', ports: ['80:80'] }
  agent: { image: 'localhost/agent:1', restart: always }
  tool: { image: 'localhost/tool:1', restart: 'no' }
  old: { image: 'localhost/old:1', deploy: { restart_policy: { condition: any } } }
  db: { image: 'postgres:17' }
  each: { image: 'localhost/each:1', deploy: { mode: global } }
  seed: { image: 'localhost/seed:1' }
  later: { image: 'localhost/later:1', expose: [81], depends_on: { seed: { condition: service_completed_successfully } } }
  beside: { image: 'localhost/beside:1', network_mode: 'service:web' }
",
    );
    assert_eq!(import.errors, []);
    let restart = |import: &Import, name: &str| import.spec.components[name].restart;
    assert_eq!(restart(&import, "buckets"), Some(RestartPolicy::OnFailure));
    assert_eq!(restart(&import, "agent"), Some(RestartPolicy::Always));
    assert_eq!(restart(&import, "old"), Some(RestartPolicy::Always));
    assert_eq!(restart(&import, "tool"), Some(RestartPolicy::Never));
    for name in ["store", "web", "db", "each", "seed", "later"] {
        assert_eq!(restart(&import, name), None, "{name}");
    }
    assert_eq!(import.spec.components["seed"].kind, Kind::Job);
    // What the file does not say has no row.
    assert_eq!(told(&import, ".restart"), ["adapted services.tool.restart"]);
    // Written as a compose file it is the same.
    let (written, _) = export::write(&import.spec);
    let plain = written.split("x-pluvio").next().unwrap();
    let again = read_text(plain);
    assert_eq!(again.errors, [], "{plain}");
    for (name, policy) in [
        ("buckets", RestartPolicy::OnFailure),
        ("store", RestartPolicy::Always),
        ("agent", RestartPolicy::Always),
        ("tool", RestartPolicy::Never),
    ] {
        assert_eq!(restart(&again, name), Some(policy), "{plain}");
    }
}

#[test]
fn an_image_that_another_service_builds_is_built() {
    let import = read_text(
        "
name: shop
services:
  worker: { image: myapp, command: [celery, worker] }
  web:
    build: { context: ., target: run, args: { A: b } }
    image: docker.io/library/myapp:latest
    ports: ['8000:8000']
  migrate: { image: 'myapp:latest', command: [migrate] }
  beside: { image: myapp, command: [watch], network_mode: 'service:web' }
  apart: { image: myapp, network_mode: 'service:cache' }
  cache: { image: 'redis:8', depends_on: { migrate: { condition: service_completed_successfully } } }
  other: { image: 'myapp:2' }
",
    );
    assert_eq!(import.errors, []);
    let components = &import.spec.components;
    let web = &components["web"];
    assert_eq!(web.source, Some(SourceSpec::Path(".".to_owned())));
    for name in ["worker", "migrate", "apart"] {
        let one = &components[name];
        assert_eq!(one.image, None, "{name}");
        assert_eq!(
            (&one.source, &one.build),
            (&web.source, &web.build),
            "{name}"
        );
    }
    assert_eq!(components["migrate"].kind, Kind::Job);
    assert!(components["other"].image.is_some());
    // Beside the one that builds it, it is another program of its image.
    let beside = &web.sidecars["beside"];
    assert_eq!(beside.image, None);
    assert!(beside.command.is_some());
    assert_eq!(
        told(&import, "apart.network_mode"),
        ["refused services.apart.network_mode"]
    );
    assert_eq!(
        told(&import, ".image"),
        [
            "ignored services.web.image",
            "adapted services.worker.image",
            "adapted services.migrate.image",
            "adapted services.beside.image",
            "adapted services.apart.image",
        ]
    );
}

#[test]
fn a_program_may_start_at_the_root() {
    let folder = |text: &str| {
        let import = read_text(&format!(
            "services: {{ web: {{ image: 'localhost/web:1', working_dir: '{text}' }} }}"
        ));
        assert_eq!(import.errors, [], "{text}");
        let folder = import.spec.components["web"].working_dir.clone();
        folder.map(|folder| folder.to_string())
    };
    assert_eq!(folder("/").as_deref(), Some("/."));
    assert_eq!(folder("//").as_deref(), Some("/."));
    assert_eq!(folder("/srv/").as_deref(), Some("/srv"));
    assert_eq!(folder(""), None);
    let wrong =
        read_text("services: { web: { image: 'localhost/web:1', working_dir: 'srv/app' } }");
    assert_eq!(wrong.errors.len(), 1);
}

#[test]
fn an_exported_file_has_no_variables_of_its_own_for_compose() {
    let import = read_text(
        "
name: shop
services:
  web: { image: 'localhost/web:1', environment: { HOST: '${DBH:-db}', PRICE: '5$$' }, command: ['sh', '-c', 'echo $$HOME'] }
",
    );
    assert_eq!(import.errors, []);
    let (written, _) = export::write(&import.spec);
    let own = written.split("x-pluvio").nth(1).unwrap();
    assert!(own.contains("$${settings.DBH}"), "{own}");
    let is_free = |line: &str| line.replace("$$", "").contains('$');
    assert!(!own.lines().any(is_free), "{own}");
    assert_eq!(read_text(&written).spec, import.spec);
    // Files that were exported before have it as it is.
    let (services, own) = written.split_once("x-pluvio").unwrap();
    let own: Vec<String> = own
        .lines()
        .filter(|line| line.trim() != "escaped: true")
        .map(|line| line.replace("$$", "$"))
        .collect();
    let before = format!("{services}x-pluvio{}\n", own.join("\n"));
    assert_eq!(read_text(&before).spec, import.spec);
}

#[test]
fn a_files_mode_is_the_number_that_compose_reads() {
    for (written, want) in [
        ("0440", Some("0440")),
        ("0o440", Some("0440")),
        ("420", Some("0644")),
        ("493", Some("0755")),
        ("'0440'", Some("0440")),
        ("'440'", Some("0440")),
        ("0", Some("0000")),
        ("5000", None),
        ("'0890'", None),
    ] {
        let import = read_text(&format!(
            "
services: {{ web: {{ image: 'localhost/web:1', configs: [{{ source: one, mode: {written} }}] }} }}
configs: {{ one: {{ content: a }} }}
"
        ));
        assert_eq!(import.errors.is_empty(), want.is_some(), "{written}");
        if want.is_some() {
            let file = import.spec.components["web"].files.values().next();
            let mode = file.and_then(|file| file.mode).map(|mode| mode.to_string());
            assert_eq!(mode.as_deref(), want, "{written}");
        }
        let decimal = written.starts_with(['4', '5']) && want.is_some();
        assert_eq!(!told(&import, ".mode").is_empty(), decimal, "{written}");
    }
}

#[test]
fn two_numbers_of_instances_must_agree() {
    let of = |scale: u32, replicas: u32| {
        let import = read_text(&format!(
            "
services:
  web:
    image: localhost/web:1
    scale: {scale}
    deploy: {{ replicas: {replicas} }}
"
        ));
        let places = import.errors.iter().map(|error| {
            let at = error.at.clone().unwrap_or_default();
            (at.line, at.path)
        });
        places.collect::<Vec<_>>()
    };
    assert_eq!(of(2, 2), []);
    let replicas = "services.web.deploy.replicas".to_owned();
    assert_eq!(of(2, 3), [(Some(6), replicas)]);
}

#[test]
fn only_a_port_of_the_machine_leads_to_one_instance() {
    let outcomes = |port: &str| {
        let import = read_text(&format!(
            "
services:
  web: {{ image: 'localhost/web:1', ports: ['{port}'], deploy: {{ replicas: 2 }} }}
"
        ));
        assert_eq!(import.errors, [], "{port}");
        assert_eq!(import.spec.components["web"].instances, Some(2));
        told(&import, ".ports")
    };
    let adapted = "adapted services.web.ports";
    assert_eq!(outcomes("3000-3001"), [adapted, adapted]);
    assert_eq!(outcomes("5432:5432"), ["refused services.web.ports"]);
}

#[test]
fn what_is_taken_of_others_and_asked_of_the_shell_is_as_docker_has_it() {
    let import = read_text(
        "
services:
  a:
    image: localhost/a:1
    volumes_from: [b]
    restart: on-failure:3
    healthcheck: { test: [CMD-SHELL, pg_isready, -d, x] }
  b: { image: 'localhost/b:1', volumes: ['data:/data'], deploy: { restart_policy: { max_attempts: 4 } } }
volumes: { data: {} }
",
    );
    assert_eq!(import.errors, []);
    let a = &import.spec.components["a"];
    let uses: Vec<&str> = a
        .uses
        .iter()
        .map(|used| used.component().as_str())
        .collect();
    assert_eq!(uses, ["b"]);
    let ready = a.probes.as_ref().and_then(|probes| probes.ready.as_ref());
    let command = ready.and_then(|ready| ready.command.clone());
    let shell = pluvio_model::spec::Command::Shell("pg_isready".to_owned());
    assert_eq!(command, Some(shell));
    let rows: Vec<&str> = import.report.iter().map(|row| &*row.message).collect();
    for part in [
        "`-d x` is no part",
        "The limit of 3 restarts is not kept",
        "The limit is not kept",
        "it starts once b is ready",
    ] {
        assert!(
            rows.iter().any(|row| row.contains(part)),
            "{part}\n{rows:#?}"
        );
    }
}

#[test]
fn variables_are_called_as_programs_nest_them() {
    let import = read_text(
        "
services:
  web:
    image: localhost/web:1
    environment: { 'ConnectionStrings:Default': 'Host=db', Logging.Level: a }
  job: { image: 'localhost/job:1', environment: ['A:B-C=d'] }
",
    );
    assert_eq!(import.errors, []);
    let components = import.spec.components.values();
    let names = components.flat_map(|component| component.env.keys());
    let names: Vec<&str> = names.map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        ["ConnectionStrings:Default", "Logging.Level", "A:B-C"]
    );
}

#[test]
fn commands_beside_a_program_are_its_hooks() {
    let import = read_text(
        "
name: shop
services:
  web:
    image: localhost/web:1
    post_start:
      - command: ./warm --all
        user: root
        privileged: true
        working_dir: /srv
        environment: ['LEVEL=${LEVEL:-2}', 'UNSET']
      - command: [sh, -c, 'echo $$HOME']
    pre_stop: [{ command: ./drain, environment: { A: b } }]
  job: { image: 'localhost/job:1', post_start: [{ command: a }] }
  after: { image: 'localhost/after:1', depends_on: { job: { condition: service_completed_successfully } } }
  beside: { image: 'localhost/beside:1', network_mode: 'service:web', pre_stop: [{ command: b }] }
",
    );
    assert_eq!(import.errors, []);
    let hooks = import.spec.components["web"].hooks.clone().unwrap();
    let [first, second] = &hooks.post_start[..] else {
        panic!("{hooks:#?}")
    };
    assert_eq!(first.command.words(), ["./warm", "--all"]);
    assert_eq!(first.user.as_deref(), Some("root"));
    assert!(first.privileged);
    let folder = first.working_dir.as_ref().map(|folder| folder.as_str());
    assert_eq!(folder, Some("/srv"));
    let env: Vec<_> = first.env.values().map(|value| value.0.as_str()).collect();
    assert_eq!(env, ["${settings.LEVEL}"]);
    assert!(import.spec.settings.contains_key("LEVEL"));
    assert_eq!(second.command.words(), ["sh", "-c", "echo $HOME"]);
    assert_eq!(hooks.pre_stop[0].command.words(), ["./drain"]);
    assert_eq!(
        told(&import, "post_start"),
        ["refused services.job.post_start"]
    );
    assert_eq!(
        told(&import, "UNSET"),
        ["ignored services.web.post_start.environment.UNSET"]
    );
    let rows = import.report.iter().map(|row| row.message.as_str());
    let of_beside = "On the network of web it has no commands after its start and before its stop";
    assert_eq!(rows.filter(|row| row.starts_with(of_beside)).count(), 1);
    // Written as a compose file it is the same, whether the specification goes along or not.
    let (written, _) = export::write(&import.spec);
    assert_eq!(read_text(&written).spec, import.spec);
    let plain = written.split("x-pluvio").next().unwrap();
    let again = read_text(plain);
    assert_eq!(again.errors, [], "{plain}");
    assert_eq!(again.spec.components["web"].hooks, Some(hooks), "{plain}");
}

#[test]
fn a_hook_that_names_no_command_is_none() {
    for (hooks, cause) in [
        ("[{ user: root }]", "It names no command."),
        ("sleep 5", "It is no list."),
        ("[sleep 5]", "An item of the list is no map."),
    ] {
        let text = format!("services: {{ web: {{ image: 'web:1', pre_stop: {hooks} }} }}");
        let causes: Vec<String> = read_text(&text)
            .errors
            .into_iter()
            .map(|error| error.cause)
            .collect();
        assert_eq!(causes, [cause], "{hooks}");
    }
}

#[test]
fn a_file_of_which_nothing_is_asked_for_is_a_mistake() {
    let text =
        "services: { a: { image: a, profiles: [dev] }, b: { image: b, profiles: [x, dev] } }";
    let import = read_text(text);
    assert_eq!(import.errors.len(), 1);
    let problem = &import.errors[0];
    assert!(problem.cause.contains("There is dev, x."), "{problem:?}");
    assert!(problem.remedy.contains("`--profile dev`"), "{problem:?}");
    let one = read_text(&text.replace("[dev]", "[]"));
    assert_eq!(one.errors, []);
    assert_eq!(one.spec.components.len(), 1);
}

#[test]
fn what_stands_beside_a_provider_goes_with_it() {
    let import = read_text(
        "services: { a: { provider: { type: x }, image: a, depends_on: [b] }, b: { image: b } }",
    );
    assert_eq!(import.errors, []);
    for key in ["provider", "image", "depends_on"] {
        let path = format!("services.a.{key}");
        let rows: Vec<_> = import.report.iter().filter(|row| row.at == path).collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0].outcome, Outcome::Refused);
        assert!(!rows[0].message.contains("no key"), "{rows:?}");
    }
}

#[test]
fn what_is_included_may_be_completed() {
    let import = read_files(&[
        (
            "compose.yaml",
            "
name: shop
include: [base/compose.yaml, more/compose.yaml]
services:
  web:
    ports: ['8080:80']
    environment: { A: own }
    command: [run]
  job: { image: 'localhost/job:1' }
",
        ),
        (
            "base/compose.yaml",
            "
services:
  web:
    image: localhost/web:1
    command: [serve, all]
    environment: { A: base, B: base }
  job: { image: 'localhost/job:1' }
  cache: { image: 'redis:8' }
",
        ),
        (
            "more/compose.yaml",
            "services: { cache: { image: 'redis:7', environment: { C: more } } }\n",
        ),
    ]);
    assert_eq!(import.errors, []);
    let components = &import.spec.components;
    let web = &components["web"];
    let image = |name: &str| components[name].image.as_ref().map(ToString::to_string);
    assert!(image("web").is_some_and(|image| image.ends_with("localhost/web:1")));
    assert!(image("cache").is_some_and(|image| image.ends_with("redis:8")));
    assert_eq!(web.env["A"].0, "own");
    assert_eq!(web.env["B"].0, "base");
    assert_eq!(components["cache"].env["C"].0, "more");
    let words = web.command.as_ref().map(|command| command.words());
    assert_eq!(words, Some(vec!["run".to_owned()]));
    assert_eq!(web.ports["http"].port, 80);
    // The same said twice completes nothing.
    let completed = import.report.iter();
    let completed: Vec<&str> = completed
        .filter(|row| row.message.contains("It completes"))
        .map(|row| &*row.at)
        .collect();
    assert_eq!(completed, ["services.web", "services.cache"]);
}

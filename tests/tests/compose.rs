//! Compose files run as they are (BX-02): their parts find each other, their one-shots run, and a redeploy loses no request.

use std::collections::BTreeMap;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, engine::name_of, image::IMAGE, load};
use serde_json::Value;

both_engines!(
    bx02_a_compose_file_runs_and_redeploys_without_a_lost_request,
    what_a_compose_file_cannot_keep_is_not_left_out_unasked,
    of_ten_services_the_one_that_changed_is_made_anew,
    what_is_pasted_is_given_values_as_a_file_on_the_disk_is,
    what_is_built_from_above_its_compose_file_is_deployed,
    memory_is_mounted_as_its_options_say,
);

fn shop(name: &str, greeting: &str, more: &str) -> String {
    format!(
        "name: {name}
services:
  web:
    image: {IMAGE}
    command: /serve
    ports: ['18080:8080']
    environment:
      GREETING: ${{GREETING:-{greeting}}}
      MADE: $$HOME
    depends_on:
      my_api: {{ condition: service_healthy }}
      once: {{ condition: service_completed_successfully }}
    volumes: ['state:/state:ro', './shop.conf:/etc/shop.conf:ro']
    secrets: [token]
    stop_grace_period: 2s
    shm_size: 32m
    tmpfs: ['/scratch:size=1m']
    healthcheck: {{ test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/healthz'], interval: 1s }}
  my_api:
    image: {IMAGE}
    command: ['/serve']
    expose: ['8080']
    container_name: the-api
    environment: [GREETING=inner]
    healthcheck: {{ test: 'wget -q -O /dev/null http://127.0.0.1:8080/healthz', interval: 1s }}
  once:
    image: {IMAGE}
    command: [sh, -c, 'echo made > /state/made']
    volumes: ['state:/state']
    restart: 'no'
volumes: {{ state: }}
secrets: {{ token: {{ file: ./token.txt }} }}
{more}"
    )
}

fn bx02_a_compose_file_runs_and_redeploys_without_a_lost_request(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("compose");
    pluvio.write("shop.conf", "colour = green\n");
    pluvio.write("token.txt", "s3cr3t-of-the-file");
    let file = pluvio.write("compose.yaml", &shop(&name, "one", ""));
    let planned = pluvio.cli(&["plan", &file, "--json"]).ok();
    assert_eq!(planned["detected"]["kind"], "compose");
    assert!(!planned.to_string().contains("s3cr3t-of-the-file"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();

    assert_eq!(pluvio.body(&name, "/"), "one\n");
    // By the service's name, which is no slug, and by the container's.
    for host in ["my_api", "my-api", "the-api"] {
        assert_eq!(pluvio.body(&name, &format!("/ask?{host}:8080/")), "inner\n");
    }
    assert_eq!(pluvio.body(&name, "/file?/state/made"), "made\n");
    assert_eq!(
        pluvio.body(&name, "/file?/etc/shop.conf"),
        "colour = green\n"
    );
    assert_eq!(
        pluvio.body(&name, "/file?/run/secrets/token"),
        "s3cr3t-of-the-file"
    );
    assert!(pluvio.body(&name, "/env").contains("MADE=$HOME"));
    let mounts = pluvio.body(&name, "/file?/proc/mounts");
    let shm = mounts.lines().find(|line| line.contains(" /dev/shm "));
    assert!(
        shm.is_some_and(|line| line.contains("size=32768k")),
        "{mounts}"
    );

    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/", 4);
    let before = pluvio.made();
    pluvio.write("compose.yaml", &shop(&name, "two", ""));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    pluvio
        .cli(&["deploy", &file, "--env", "GREETING=three", "--json"])
        .ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert!(
        counted.bodies.keys().any(|body| body.trim() == "three"),
        "{counted:#?}"
    );
    // What did not change was not touched.
    let kept = |part: &str| {
        before
            .iter()
            .filter(|made| made.contains(part))
            .cloned()
            .collect::<Vec<_>>()
    };
    let after = pluvio.made();
    for made in kept("my-api") {
        assert!(
            after.contains(&made),
            "{made} of {before:?} is not in {after:?}"
        );
    }
    pluvio.end();
}

fn what_a_compose_file_cannot_keep_is_not_left_out_unasked(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("refused");
    let text = format!(
        "name: {name}\nservices:\n  web:\n    image: {IMAGE}\n    command: /serve\n    ports: ['8080:8080']\n    network_mode: container:elsewhere\n"
    );
    let file = pluvio.write("compose.yaml", &text);
    let problem = pluvio
        .cli(&["deploy", &file, "--json"])
        .problem(4, "refused");
    assert!(problem.to_string().contains("network_mode"), "{problem}");
    pluvio
        .cli(&["deploy", &file, "--accept-refused", "--json"])
        .ok();
    pluvio.end();
}

fn of_ten_services_the_one_that_changed_is_made_anew(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("ten");
    let ten = |greeting: &str| {
        let services = (0..10).map(|number| {
            let greeting = if number == 7 { greeting } else { "kept" };
            let network = if number < 5 { "front" } else { "back" };
            format!(
                "  s{number}:
    image: {IMAGE}
    command: /serve
    expose: ['8080']
    environment: [GREETING={greeting}]
    networks: [{network}, all]
    stop_grace_period: 1s
"
            )
        });
        let services: String = services.collect();
        format!(
            "name: {name}\nservices:\n{services}networks: {{ front: {{}}, back: {{}}, all: {{}} }}\n"
        )
    };
    let containers = || {
        let all = engine.containers(pluvio.installation());
        let one = |container: &Value| {
            let component = container["Labels"]["io.pluvio.component"].as_str();
            let started = engine.inspect(&name_of(container))["State"]["StartedAt"].to_string();
            (
                component.unwrap_or_default().to_owned(),
                (container["Id"].to_string(), started),
            )
        };
        all.iter().map(one).collect::<BTreeMap<_, _>>()
    };
    let file = pluvio.write("compose.yaml", &ten("one"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    let before = containers();
    pluvio.write("compose.yaml", &ten("two"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    let after = containers();
    assert_eq!(before.len(), 10, "{before:?}");
    let touched: Vec<&String> = after
        .iter()
        .filter(|(component, container)| before.get(*component) != Some(*container))
        .map(|(component, _)| component)
        .collect();
    assert_eq!(touched, ["s7"]);
    pluvio.end();
}

fn what_is_pasted_is_given_values_as_a_file_on_the_disk_is(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("paste");
    let text = format!(
        "name: {name}
services:
  web:
    image: {IMAGE}
    command: [/serve]
    environment:
      GREETING: ${{GREETING}} ${{WHO:?says who}}
      MORE: ${{MORE}}
    ports: [\"8080\"]
"
    );
    let words = ["deploy", "-", "--json"];
    let problem = pluvio
        .cli_with_input(&words, &text)
        .problem(1, "setting.missing");
    assert!(
        problem["remedy"].to_string().contains("--env WHO="),
        "{problem:#}"
    );
    let file = pluvio.write("values.env", "GREETING=hello\nMORE=of the file\n");
    let given = [&words[..], &["--env-file", &file, "--env", "WHO=world"]].concat();
    pluvio.cli_with_input(&given, &text).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "hello world");
    let env = pluvio.body(&name, "/env");
    assert!(env.lines().any(|line| line == "MORE=of the file"), "{env}");
    // What still has no value is named, beside the row that says what is put there.
    let plan = [
        "plan",
        "-",
        "--json",
        "--env",
        "WHO=world",
        "--env",
        "GREETING=hello",
    ];
    let planned = pluvio.cli_with_input(&plan, &text).ok();
    assert_eq!(planned["unset"], serde_json::json!(["MORE"]), "{planned:#}");

    // Of a line the shell would have put them in.
    let name = pluvio.name("pasted");
    let line = format!(
        "docker run --name {name} -p 8080 -e GREETING=\"$GREETING ${{WHO}}\" -e 'PRICE=$5 $WHO' {IMAGE} /serve"
    );
    let words = ["deploy", "-", "--name", &name, "--json"];
    pluvio.cli_with_input(&words, &line).problem(4, "refused");
    let given = [
        &words[..],
        &["--env", "GREETING=good day", "--env", "WHO=sir"],
    ]
    .concat();
    pluvio.cli_with_input(&given, &line).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "good day sir");
    let env = pluvio.body(&name, "/env");
    assert!(env.lines().any(|line| line == "PRICE=$5 $WHO"), "{env}");
    // A value that no line names would come to nothing.
    let lost = [&given[..], &["--env", "OTHER=1"]].concat();
    let problem = pluvio.cli_with_input(&lost, &line).problem(4, "refused");
    assert!(problem.to_string().contains("OTHER"), "{problem:#}");
    pluvio.end();
}

/// `docker/compose.yaml` with the sources beside its folder, named as a file and by its folder.
fn what_is_built_from_above_its_compose_file_is_deployed(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("above");
    let write = |path: &str, text: &str| {
        let path = pluvio.scratch().join("project").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(path, text).expect("it is written");
    };
    write("greeting", "from above\n");
    write(
        "docker/web.Dockerfile",
        &format!("FROM {IMAGE}\nCOPY greeting /greeting\nEXPOSE 8080\nCMD [\"/serve\"]\n"),
    );
    write("docker/.env", "WHO=there\n");
    let compose = "services:
  web:
    build: { context: .., dockerfile: docker/web.Dockerfile }
    environment: { GREETING: $WHO }
    ports: [\"8080\"]
";
    write("docker/compose.yaml", compose);
    let folder = pluvio.scratch().join("project/docker");
    for source in [folder.join("compose.yaml"), folder] {
        let source = source.display().to_string();
        let words = ["deploy", &source, "--name", &name, "--json"];
        pluvio.cli_within(&words, Duration::from_secs(90)).ok();
        assert_eq!(pluvio.body(&name, "/file?/greeting"), "from above\n");
        assert_eq!(pluvio.body(&name, "/"), "there\n");
    }
    pluvio.end();
}

/// Who may do what in memory is what the file says; Podman has no owner for it, and says so before anything runs.
fn memory_is_mounted_as_its_options_say(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("memory");
    let text = |first: &str| {
        format!(
            "name: {name}
services:
  web:
    image: {IMAGE}
    command: /serve
    ports: ['8080']
    tmpfs: ['{first}', '/closed:noexec,nosuid,nodev']
    volumes: [{{ type: tmpfs, target: /long, tmpfs: {{ size: 2m, mode: 0711 }} }}, 'named:/named']
volumes:
  named: {{ driver_opts: {{ type: tmpfs, device: tmpfs, o: 'size=3m,mode=0700,exec' }} }}
"
        )
    };
    let owned = pluvio.write(
        "compose.yaml",
        &text("/run/app:size=1m,mode=1750,uid=1000,gid=1001,exec"),
    );
    let answer = pluvio.cli(&["deploy", &owned, "--json"]);
    let is_docker = pluvio.engine.name == "docker";
    if is_docker {
        answer.ok();
    } else {
        let problem = answer.problem(1, "spec.unsupported");
        assert!(
            problem.to_string().contains("as root's only"),
            "{problem:#}"
        );
        let without = pluvio.write("compose.yaml", &text("/run/app:size=1m,mode=1750,exec"));
        pluvio.cli(&["deploy", &without, "--json"]).ok();
    }
    let mounts = pluvio.body(&name, "/file?/proc/mounts");
    let options = |place: &str| {
        let start = format!("tmpfs {place} tmpfs ");
        let line = mounts.lines().find_map(|line| line.strip_prefix(&start));
        let line = line.unwrap_or_else(|| panic!("no {place}: {mounts}"));
        line.split([',', ' '])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let has = |place: &str, all: &[&str]| {
        let options = options(place);
        for option in all {
            assert!(
                options.iter().any(|one| one == option),
                "{place} {option}: {options:?}"
            );
        }
    };
    has("/run/app", &["size=1024k", "mode=1750", "nosuid", "nodev"]);
    if is_docker {
        has("/run/app", &["uid=1000", "gid=1001"]);
    }
    has("/closed", &["noexec", "nosuid", "nodev"]);
    has("/long", &["size=2048k", "mode=711"]);
    has("/named", &["size=3072k", "mode=700"]);
    for place in ["/run/app", "/named"] {
        assert!(
            !options(place).iter().any(|one| one == "noexec"),
            "{mounts}"
        );
    }
    pluvio.end();
}

//! Applications from real Git hosts: over HTTP with a password, over SSH with a key, and what goes wrong there (C11).

use pluvio_tests::hosts::{HttpHost, Repository, SshHost, free_port};
use pluvio_tests::image::IMAGE;
use pluvio_tests::{Answer, Engine, Pluvio, engines};

engines!(
    both: [a_repository_over_ssh_is_deployed_from_a_host_that_stays_the_same],
    docker: [a_repository_over_http_is_deployed_and_follows_its_commits, nothing_of_the_server_is_read_for_a_repository],
    podman: [c11_bad_git_input_gives_distinct_problems, a_folder_of_a_repository_is_built_from_all_of_it],
);

const PASSWORD: &str = "Git-password-of-a-test";

fn dockerfile(greeting: &str) -> String {
    format!("FROM {IMAGE}\nENV GREETING={greeting}\nEXPOSE 8080\nCMD [\"/serve\"]\n")
}

fn deploy(pluvio: &Pluvio, url: &str, name: &str, more: &[&str]) -> Answer {
    let words = ["deploy", url, "--name", name, "--port", "8080", "--json"];
    pluvio.cli(&[&words[..], more].concat())
}

fn store(pluvio: &Pluvio, name: &str, kind: &str, host: &str, more: &[&str], secret: &str) {
    let words = [
        "credential",
        "set",
        name,
        "--kind",
        kind,
        "--host",
        host,
        "--json",
    ];
    let answer = pluvio.cli_with_input(&[&words[..], more].concat(), secret);
    assert_eq!(answer.exit, 0, "{answer:?}");
}

/// Branch, tag, commit and folder, one after the other, then a new commit.
fn every_way_in(pluvio: &Pluvio, repository: &Repository, url: &str) {
    let first = repository.commit("main", &[("Dockerfile", &dockerfile("one"))], "Say one");
    repository.git(&["tag", "v1"]);
    let in_folder = [
        ("Dockerfile", &*dockerfile("two")),
        ("deep/web/Dockerfile", &dockerfile("deep")),
    ];
    let second = repository.commit("main", &in_folder, "Say two");
    let other = repository.commit(
        "feature/three",
        &[("Dockerfile", &dockerfile("three"))],
        "Say three",
    );
    let name = pluvio.name("git");
    for (more, greeting, commit) in [
        (&["--ref", "v1"][..], "one", &first),
        (&["--ref", "main"], "two", &second),
        (&["--ref", "feature/three"], "three", &other),
        (&["--ref", &first], "one", &first),
        (&["--path", "deep/web"], "deep", &second),
        (&[], "two", &second),
    ] {
        let deployed = deploy(pluvio, url, &name, more).ok();
        assert!(pluvio.body(&name, "/").contains(greeting), "{more:?}");
        let number = format!("r{}", deployed["release"]);
        let release = pluvio
            .cli(&["releases", "show", &number, "-a", &name, "--json"])
            .ok();
        assert_eq!(
            release["built_from"]["commit"], **commit,
            "{more:?}: {release}"
        );
        let author = release["built_from"]["author"].as_str().unwrap_or_default();
        assert!(author.contains("Ada"), "{release}");
        let shown = pluvio
            .cli(&["releases", "show", &number, "-a", &name])
            .stdout;
        assert!(
            shown.contains(&commit[..12]) && shown.contains("Ada"),
            "{shown}"
        );
    }
    // The same words again take what is new.
    let next = repository.commit("main", &[("Dockerfile", &dockerfile("four"))], "Say four");
    let deployed = deploy(pluvio, url, &name, &[]).ok();
    assert!(pluvio.body(&name, "/").contains("four"));
    let number = format!("r{}", deployed["release"]);
    let release = pluvio
        .cli(&["releases", "show", &number, "-a", &name, "--json"])
        .ok();
    assert_eq!(release["built_from"]["commit"], *next);
    assert_eq!(release["title"], "Say four");
}

/// A repository behind HTTP, whose credential Pluvio knows as `forge`.
fn forge(pluvio: &Pluvio) -> (Repository, HttpHost) {
    let repository = Repository::new("shop");
    let host = HttpHost::start(&repository.root(), "ada", PASSWORD);
    let at = format!("127.0.0.1:{}", host.port);
    store(
        pluvio,
        "forge",
        "git-https",
        &at,
        &["--username", "ada"],
        PASSWORD,
    );
    (repository, host)
}

fn a_repository_over_http_is_deployed_and_follows_its_commits(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (repository, host) = forge(&pluvio);
    every_way_in(&pluvio, &repository, &host.url("shop.git"));
    // Who may deploy does not learn a password by naming a host of their own.
    let other = HttpHost::start(&repository.root(), "ada", PASSWORD);
    let name = pluvio.name("other");
    let refused = deploy(
        &pluvio,
        &other.url("shop.git"),
        &name,
        &["--credential", "forge"],
    );
    refused.problem(1, "git.unauthorized");
    pluvio.end();
}

fn a_repository_over_ssh_is_deployed_from_a_host_that_stays_the_same(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let repository = Repository::new("shop");
    let mut host = SshHost::start();
    let url = host.url(&repository.bare());
    store(
        &pluvio,
        "key",
        "git-ssh",
        "127.0.0.1",
        &[],
        &host.key("user"),
    );
    every_way_in(&pluvio, &repository, &url);
    // The host's key was written down when it was first seen.
    let known = std::fs::read_to_string(pluvio.data().join("known_hosts")).expect("known hosts");
    assert!(
        known.starts_with(&format!("[127.0.0.1]:{} ", host.port)),
        "{known}"
    );
    let name = pluvio.name("git");
    store(
        &pluvio,
        "key",
        "git-ssh",
        "127.0.0.1",
        &[],
        &host.key("stranger"),
    );
    deploy(&pluvio, &url, &name, &[]).problem(1, "git.unauthorized");
    store(
        &pluvio,
        "key",
        "git-ssh",
        "127.0.0.1",
        &[],
        &host.key("user"),
    );
    // The same address with another key is another host, until somebody says that it is not.
    host.serve();
    let problem = deploy(&pluvio, &url, &name, &[]).problem(1, "git.host-key");
    let remedy = problem["remedy"].as_str().unwrap_or_default();
    assert!(
        remedy.contains(&format!("ssh-keygen -R '[127.0.0.1]:{}'", host.port)),
        "{problem}"
    );
    let forgotten = std::process::Command::new("ssh-keygen")
        .args(["-R", &format!("[127.0.0.1]:{}", host.port), "-f"])
        .arg(pluvio.data().join("known_hosts"))
        .output();
    assert!(forgotten.is_ok_and(|output| output.status.success()));
    deploy(&pluvio, &url, &name, &[]).ok();
    assert!(
        pluvio.body(&name, "/").contains("four"),
        "what serves goes on"
    );
    pluvio.end();
}

fn c11_bad_git_input_gives_distinct_problems(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let repository = Repository::new("shop");
    repository.commit("main", &[("Dockerfile", &dockerfile("one"))], "Say one");
    let host = HttpHost::start(&repository.root(), "ada", PASSWORD);
    let ssh = SshHost::start();
    let (here, over_ssh) = (host.url("shop.git"), ssh.url(&repository.bare()));
    let name = pluvio.name("bad");
    let nobody = format!("http://127.0.0.1:{}/shop.git", free_port());
    deploy(&pluvio, "http://no-such-host.invalid/shop.git", &name, &[])
        .problem(1, "git.host-not-found");
    deploy(&pluvio, &nobody, &name, &[]).problem(1, "git.host-not-found");
    deploy(&pluvio, &here, &name, &[]).problem(1, "git.unauthorized");
    deploy(&pluvio, &over_ssh, &name, &[]).problem(1, "git.unauthorized");
    let at = format!("127.0.0.1:{}", host.port);
    store(
        &pluvio,
        "forge",
        "git-https",
        &at,
        &["--username", "ada"],
        "wrong",
    );
    deploy(&pluvio, &here, &name, &[]).problem(1, "git.unauthorized");
    store(
        &pluvio,
        "forge",
        "git-https",
        &at,
        &["--username", "ada"],
        PASSWORD,
    );
    store(
        &pluvio,
        "key",
        "git-ssh",
        "127.0.0.1",
        &[],
        &ssh.key("user"),
    );
    deploy(&pluvio, &host.url("none.git"), &name, &[]).problem(1, "git.no-repository");
    let none = ssh.url(&repository.root().join("none.git"));
    deploy(&pluvio, &none, &name, &[]).problem(1, "git.no-repository");
    for url in [&here, &over_ssh] {
        deploy(&pluvio, url, &name, &["--ref", "none"]).problem(1, "git.no-reference");
        deploy(&pluvio, url, &name, &["--path", "none"]).problem(1, "git.no-path");
    }
    let unknown = deploy(&pluvio, &here, &name, &["--credential", "none"]);
    unknown.problem(1, "spec.unknown-reference");
    // Nothing was made of any of them.
    pluvio
        .cli(&["status", "-a", &name, "--json"])
        .problem(3, "not-found");
    pluvio.end();
}

/// `docker/compose.yaml` with the sources beside its folder, as many repositories have it.
const ABOVE: &str = "services:
  web:
    build: { context: .., dockerfile: docker/web.Dockerfile }
    env_file: ../common.env
    ports: [\"8080\"]
  api:
    build: ../api
    environment: { GREETING: inner }
";

fn copying(file: &str) -> String {
    format!("FROM {IMAGE}\nCOPY {file} /{file}\nEXPOSE 8080\nCMD [\"/serve\"]\n")
}

fn a_folder_of_a_repository_is_built_from_all_of_it(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (repository, host) = forge(&pluvio);
    let (web, api) = (copying("greeting"), copying("own"));
    let files = [
        ("docker/compose.yaml", ABOVE),
        ("docker/web.Dockerfile", &web),
        ("api/Dockerfile", &api),
        ("api/own", "of the api\n"),
        ("common.env", "GREETING=common\n"),
        ("greeting", "one\n"),
    ];
    let first = repository.commit("main", &files, "Say one");
    let (url, name) = (host.url("shop.git"), pluvio.name("above"));
    deploy(&pluvio, &url, &name, &["--path", "docker"]).ok();
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "one\n");
    assert_eq!(pluvio.body(&name, "/"), "common\n");
    assert_eq!(
        pluvio.body(&name, "/ask?api:8080/file?/own"),
        "of the api\n"
    );

    // A plan says the same without a server.
    let bare = format!("file://{}#main:docker", repository.bare().display());
    let plan = pluvio.cli(&["plan", &bare, "--json"]).ok();
    let path =
        |component: &str| plan["spec"]["components"][component]["source"]["git"]["path"].clone();
    assert_eq!(
        (path("web").as_str(), path("api").as_str()),
        (None, Some("api")),
        "{plan:#}"
    );
    let flags = [
        "plan",
        bare.split('#').next().unwrap(),
        "--ref",
        "main",
        "--path",
        "docker",
        "--json",
    ];
    assert_eq!(pluvio.cli(&flags).ok()["spec"], plan["spec"]);

    // What is new above the folder is taken, by the same words and by the short form of the address.
    let second = repository.commit("main", &[("greeting", "two\n")], "Say two");
    let deployed = deploy(&pluvio, &url, &name, &["--path", "docker/"]).ok();
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "two\n");
    let built_from = |number: &serde_json::Value| {
        let number = format!("r{number}");
        let words = ["releases", "show", &number, "-a", &name, "--json"];
        pluvio.cli(&words).ok()["built_from"]["commit"].clone()
    };
    assert_eq!(built_from(&deployed["release"]), *second);
    // So does a redeploy of what runs.
    let third = repository.commit(
        "main",
        &[("greeting", "three\n"), ("api/own", "new\n")],
        "Say three",
    );
    let deployed = pluvio.cli(&["redeploy", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "three\n");
    assert_eq!(pluvio.body(&name, "/ask?api:8080/file?/own"), "new\n");
    assert_eq!(built_from(&deployed["release"]), *third);
    let old = format!("{url}#{first}:docker");
    let deployed = deploy(&pluvio, &old, &name, &[]).ok();
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "one\n");
    assert_eq!(built_from(&deployed["release"]), *first);
    pluvio.end();
}

/// A repository is somebody's: neither words nor links of it may lead to files of the machine that builds it.
fn nothing_of_the_server_is_read_for_a_repository(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let repository = Repository::new("shop");
    let host = SshHost::start();
    let url = host.url(&repository.bare());
    // While it is fetched, the key lies beside the source.
    let key = host.key("user");
    store(&pluvio, "key", "git-ssh", "127.0.0.1", &[], &key);
    let told = key.lines().nth(1).expect("a line of the key").to_owned();
    let kept = pluvio.write("kept", "as it was\n");
    let link = |from: &str, to: &str| {
        let place = repository.work().join(from);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        let _ = std::fs::remove_file(&place);
        std::os::unix::fs::symlink(to, place).expect("a link");
    };
    let name = pluvio.name("out");
    let refused = |compose: &str, code: &str| {
        let files = [
            ("docker/compose.yaml", compose),
            ("api/Dockerfile", &dockerfile("one")),
        ];
        repository.commit("main", &files, "Lead out");
        let answer = deploy(&pluvio, &url, &name, &["--path", "docker"]);
        for text in [&answer.stdout, &answer.stderr] {
            assert!(!text.contains(&told), "{compose}: {text}");
        }
        answer.problem(1, code);
    };
    link("out", "..");
    link("docker/key", "../../key");
    refused("services: { web: { build: ../.. } }", "spec.unsupported");
    refused(
        "services: { web: { build: ../../../../../../../../etc } }",
        "spec.unsupported",
    );
    refused("services: { web: { build: /etc } }", "spec.unsupported");
    refused("services: { web: { build: ../out } }", "source.missing");
    let image = format!("image: '{IMAGE}', command: /serve");
    for file in ["../../key", "../out/key", "key"] {
        let compose = format!("services: {{ web: {{ {image}, env_file: '{file}' }} }}");
        refused(&compose, "source.missing");
    }
    // The folder itself is none, where it is a link that leads out.
    link("elsewhere", "../../..");
    repository.commit("main", &[("api/Dockerfile", &dockerfile("one"))], "Link");
    deploy(&pluvio, &url, &name, &["--path", "elsewhere"]).problem(1, "git.no-path");
    deploy(&pluvio, &url, &name, &["--path", "docker/../.."]).problem(1, "git.no-path");

    // A Dockerfile that is a link to a file of the machine is none.
    link("api/Dockerfile", "/etc/passwd");
    repository.commit(
        "main",
        &[(
            "docker/compose.yaml",
            "services: { web: { build: ../api } }",
        )],
        "Link",
    );
    let answer = deploy(&pluvio, &url, &name, &["--path", "docker"]);
    assert!(!format!("{answer:?}").contains("root:"), "{answer:?}");
    answer.problem(1, "build.dockerfile-missing");

    // What is written into a context lands there, whatever lies in its place.
    link("api/.pluvio.Dockerfile", &kept);
    let inline = format!(
        "services:\n  web:\n    build:\n      context: ../api\n      dockerfile_inline: |\n        FROM {IMAGE}\n        CMD [\"/serve\"]\n    environment: {{ GREETING: inline }}\n    ports: ['8080']\n"
    );
    repository.commit("main", &[("docker/compose.yaml", &inline)], "Write");
    deploy(&pluvio, &url, &name, &["--path", "docker"]).ok();
    assert_eq!(pluvio.body(&name, "/"), "inline\n");
    assert_eq!(
        std::fs::read_to_string(&kept).expect("a file"),
        "as it was\n"
    );
    pluvio.end();
}

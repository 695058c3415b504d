//! The engines that these tests run on, and the small image they run.

use std::path::{Path, PathBuf};
use std::process::Command;

use pluvio_engine::{DockerDriver, Engine};

/// A static busybox: a shell and small tools, no libraries.
pub(crate) const IMAGE: &str = "localhost/pluvio-test/busybox:1";

/// Connects to `PLUVIO_TEST_DOCKER` or `PLUVIO_TEST_PODMAN`, or the usual place, with the test image at hand.
pub(crate) async fn engine(name: &str) -> Engine {
    let (variable, usual) = match name {
        "docker" => ("PLUVIO_TEST_DOCKER", "/var/run/docker.sock"),
        _ => ("PLUVIO_TEST_PODMAN", "/run/podman/podman.sock"),
    };
    let socket = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let engine = match Engine::connect(Path::new(&socket)).await {
        Ok(engine) => engine,
        Err(error) => {
            panic!("{socket}: {error}. Run `scripts/engine start {name}`, or set {variable}.")
        }
    };
    if engine.image_facts(IMAGE).await.unwrap().is_none() {
        let folder = tempfile::tempdir().unwrap();
        let tar = busybox_root(folder.path());
        engine.import(&tar, IMAGE, &[]).await.unwrap();
    }
    engine
}

/// A driver of an installation of its own: tests never see each other's containers.
pub(crate) async fn driver(name: &str, installation: &str) -> DockerDriver {
    let engine = engine(name).await;
    let cluster = engine.cluster(installation).await.unwrap();
    DockerDriver::new(engine, cluster)
}

fn busybox_root(folder: &Path) -> PathBuf {
    let mut busybox = PathBuf::from("/bin/busybox");
    if !is_static(&busybox) {
        let run = |program: &str, words: &[&str]| {
            let status = Command::new(program)
                .args(words)
                .current_dir(folder)
                .status();
            let done = status.is_ok_and(|status| status.success());
            assert!(
                done,
                "{program} {words:?} failed: install the package busybox-static"
            );
        };
        run(
            "apt-get",
            &[
                "-qq",
                "-o",
                "APT::Sandbox::User=root",
                "download",
                "busybox-static",
            ],
        );
        run("sh", &["-c", "dpkg-deb -x busybox-static_*.deb deb"]);
        busybox = folder.join("deb/bin/busybox");
    }
    let path = folder.join("root.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content).unwrap();
    };
    add("bin/busybox", 0o755, &std::fs::read(busybox).unwrap());
    add(
        "etc/passwd",
        0o644,
        b"root:x:0:0::/:/bin/sh\napp:x:1234:1235::/:/bin/sh\n",
    );
    add("tmp/.keep", 0o644, b"");
    for name in [
        "sh", "cat", "sleep", "echo", "stty", "stat", "dd", "httpd", "ls", "wget", "nc", "tail",
        "id",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox")
            .unwrap();
    }
    tar.finish().unwrap();
    path
}

fn is_static(program: &Path) -> bool {
    let dynamic = Command::new("ldd").arg(program).output();
    program.exists() && dynamic.is_ok_and(|output| !output.status.success())
}

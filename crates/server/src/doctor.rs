//! Checks of the machine: engine, kernel, ports, disk, name resolution, clock. Each says how it is and what to do.

use std::net::ToSocketAddrs;
use std::path::Path;
use std::time::Duration;

use pluvio_api::platform::{DoctorCheck, DoctorReport};

fn check(
    name: &str,
    verdict: &str,
    message: impl Into<String>,
    remedy: Option<&str>,
) -> DoctorCheck {
    DoctorCheck {
        name: name.into(),
        verdict: verdict.into(),
        message: message.into(),
        remedy: remedy.map(Into::into),
    }
}

fn fine(name: &str, message: impl Into<String>) -> DoctorCheck {
    check(name, "ok", message, None)
}

/// All checks. `ports` are those that must be free; empty where Pluvio runs already.
pub async fn examine(
    data: &Path,
    engine: Option<&str>,
    ports: &[std::net::SocketAddr],
) -> DoctorReport {
    let mut checks = Vec::new();
    checks.push(match pluvio_engine::find_engine(engine).await {
        Ok(engine) => check_engine(&engine),
        Err(problem) => check_with(&problem),
    });
    checks.push(kernel());
    for port in ports {
        checks.push(match tokio::net::TcpListener::bind(port).await {
            Ok(_) => fine("ports", format!("{port} is free")),
            Err(error) => DoctorCheck { name: "ports".into(), verdict: "failed".into(), message: format!("{port}: {error}"), remedy: Some(format!("End what listens there (`ss -ltnp 'sport = :{}'`), or choose another port with --port or --gateway-port.", port.port())) },
        });
    }
    checks.push(disk(data));
    checks.push(names().await);
    checks.push(clock());
    checks.push(git().await);
    DoctorReport { checks }
}

fn check_engine(engine: &pluvio_engine::Engine) -> DoctorCheck {
    fine(
        "engine",
        format!(
            "{:?} {} at {}",
            engine.kind(),
            engine.version(),
            engine.socket().display()
        ),
    )
}

fn check_with(problem: &pluvio_model::problem::Problem) -> DoctorCheck {
    DoctorCheck {
        name: "engine".into(),
        verdict: "failed".into(),
        message: problem.cause.clone(),
        remedy: Some(problem.remedy.clone()),
    }
}

fn kernel() -> DoctorCheck {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut parts = release
        .split(['.', '-'])
        .map(|p| p.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let cgroup = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        "cgroup v2"
    } else {
        "cgroup v1"
    };
    if version >= (4, 18) {
        fine("kernel", format!("Linux {release}, {cgroup}"))
    } else {
        check(
            "kernel",
            "warning",
            format!("Linux {release} is older than 4.18"),
            Some("Containers may miss features; a newer kernel is better."),
        )
    }
}

fn disk(data: &Path) -> DoctorCheck {
    let place = data
        .ancestors()
        .find(|p| p.exists())
        .unwrap_or(Path::new("/"));
    let Ok(stat) = rustix::fs::statvfs(place) else {
        return check(
            "disk",
            "warning",
            format!("{} cannot be looked at", place.display()),
            None,
        );
    };
    let free = stat.f_bavail * stat.f_frsize;
    let message = format!(
        "{:.1} GiB free at {}",
        free as f64 / f64::from(1 << 30),
        place.display()
    );
    match free {
        0..536_870_912 => check(
            "disk",
            "failed",
            message,
            Some("Free at least 512 MiB: builds, images and logs need it."),
        ),
        536_870_912..4_294_967_296 => check(
            "disk",
            "warning",
            message,
            Some("Builds and images take a few GiB."),
        ),
        _ => fine("disk", message),
    }
}

async fn names() -> DoctorCheck {
    let look = tokio::task::spawn_blocking(|| {
        ("pluvio-check.localhost", 80)
            .to_socket_addrs()
            .is_ok_and(|mut a| a.next().is_some())
    });
    match tokio::time::timeout(Duration::from_secs(3), look).await {
        Ok(Ok(true)) => fine("names", "*.localhost resolves for every program"),
        _ => check(
            "names",
            "warning",
            "*.localhost resolves in browsers and curl, not in every program of this machine",
            Some(
                "Programs that fail may send the host as a header: curl -H 'Host: APP.localhost' http://127.0.0.1:8080.",
            ),
        ),
    }
}

fn clock() -> DoctorCheck {
    let year = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .year();
    if (2025..2100).contains(&year) {
        fine(
            "clock",
            format!(
                "{}",
                jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC")
            ),
        )
    } else {
        check(
            "clock",
            "failed",
            format!("the clock says {year}"),
            Some("Set it; sessions, schedules and logs go by it."),
        )
    }
}

async fn git() -> DoctorCheck {
    match tokio::process::Command::new("git")
        .arg("--version")
        .output()
        .await
    {
        Ok(out) if out.status.success() => fine(
            "git",
            String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        ),
        _ => check(
            "git",
            "warning",
            "git is not installed",
            Some("Install it to deploy from Git repositories; folders and images work without."),
        ),
    }
}

//! What is in an image, as CycloneDX: Debian's packages of its base, and what the source's lock files name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pluvio_engine::Engine;
use pluvio_model::image::ContentHash;
use pluvio_model::problem::Problem;
use serde_json::{Value, json};

use crate::builder::Builder;
use crate::job::Job;
use crate::source;

/// One component: its package URL says where it is from. (Source: github.com/package-url/purl-spec.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    kind: &'static str,
    name: String,
    version: String,
}

impl Part {
    fn new(kind: &'static str, name: &str, version: &str) -> Part {
        Part {
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }
    fn url(&self) -> String {
        let name = self.name.replace('@', "%40");
        match self.kind {
            "deb" => format!("pkg:deb/debian/{name}@{}", self.version),
            kind => format!("pkg:{kind}/{name}@{}", self.version),
        }
    }
}

/// A CycloneDX 1.5 document.
pub(crate) fn document(image: &str, parts: &BTreeSet<Part>) -> Value {
    let components: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({
                "type": "library", "name": part.name, "version": part.version,
                "purl": part.url(), "bom-ref": part.url(),
            })
        })
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "container", "name": image } },
        "components": components,
    })
}

/// The largest lock file that is read.
const LOCK_MAX: u64 = 64 << 20;

/// What the lock files in a source's root name.
pub(crate) fn of_source(folder: &Path) -> BTreeSet<Part> {
    let read = |name: &str| source::text_inside(folder, name, LOCK_MAX).unwrap_or_default();
    let mut parts = BTreeSet::new();
    parts.extend(npm(&read("package-lock.json")));
    parts.extend(go(&read("go.mod")));
    parts.extend(requirements(&read("requirements.txt")));
    for (file, kind) in [
        ("poetry.lock", "pypi"),
        ("uv.lock", "pypi"),
        ("Cargo.lock", "cargo"),
    ] {
        parts.extend(tables(&read(file), kind));
    }
    parts
}

fn npm(text: &str) -> Vec<Part> {
    let lock: Value = serde_json::from_str(text).unwrap_or_default();
    let packages = lock.get("packages").and_then(Value::as_object);
    let parts = packages
        .into_iter()
        .flatten()
        .filter_map(|(path, package)| {
            if package.get("dev").and_then(Value::as_bool) == Some(true) {
                return None;
            }
            let name = path.rsplit_once("node_modules/")?.1;
            Some(Part::new("npm", name, package.get("version")?.as_str()?))
        });
    parts.collect()
}

fn go(text: &str) -> Vec<Part> {
    let mut inside = false;
    let mut parts = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or("").trim();
        let row = if line == "require (" {
            inside = true;
            continue;
        } else if line == ")" {
            inside = false;
            continue;
        } else if inside {
            line
        } else if let Some(row) = line.strip_prefix("require ") {
            row
        } else {
            continue;
        };
        if let Some((module, version)) = row.split_once(' ') {
            parts.push(Part::new("golang", module, version.trim()));
        }
    }
    parts
}

fn requirements(text: &str) -> Vec<Part> {
    let parts = text.lines().filter_map(|line| {
        let line = line.split(['#', ';']).next()?;
        let (name, version) = line.split_once("==")?;
        let name = name.split('[').next()?.trim().to_ascii_lowercase();
        let version = version.split_whitespace().next()?.trim_end_matches('\\');
        Some(Part::new("pypi", &name, version))
    });
    parts.collect()
}

/// `[[package]]` tables with `name` and `version`: poetry, uv, Cargo.
fn tables(text: &str, kind: &'static str) -> Vec<Part> {
    let value = |line: &str, key: &str| {
        let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    };
    let parts = text.split("[[package]]").skip(1).filter_map(|table| {
        let find = |key| table.lines().find_map(|line| value(line, key));
        Some(Part::new(kind, &find("name")?, &find("version")?))
    });
    parts.collect()
}

/// Debian's own list of what is installed.
fn dpkg(status: &str) -> Vec<Part> {
    let parts = status.split("\n\n").filter_map(|entry| {
        let find = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key));
        find("Status: ").filter(|status| status.ends_with(" installed"))?;
        Some(Part::new("deb", find("Package: ")?, find("Version: ")?))
    });
    parts.collect()
}

impl Builder {
    /// Debian's packages in a base image, kept by its id.
    pub(crate) async fn packages_of_base(
        &self,
        job: &Job,
        image: &str,
    ) -> Result<Vec<Part>, Problem> {
        let kept = self.kept_list(image.trim_start_matches("sha256:"));
        if let Ok(status) = tokio::fs::read_to_string(&kept).await {
            return Ok(dpkg(&status));
        }
        let scratch = Scratch::new(self, job, image).await?;
        let status = scratch.read().await?;
        keep(&kept, &status).await;
        Ok(dpkg(&status))
    }

    /// Debian's packages in an image that was built from others; none where it is not Debian's. A step may have changed the
    /// list, so it is looked at each time, and read where it is not the one of before.
    pub(crate) async fn packages_of(
        &self,
        job: &Job,
        image: &str,
        from: &[String],
    ) -> Result<Vec<Part>, Problem> {
        let scratch = Scratch::new(self, job, image).await?;
        let mark = scratch.engine.path_mark(&scratch.name, LIST).await;
        let Some(mark) = mark.map_err(|e| e.to_problem())? else {
            return Ok(Vec::new());
        };
        let kept = self.kept_list(ContentHash::of(&(from, mark)).as_str());
        if let Ok(status) = tokio::fs::read_to_string(&kept).await {
            return Ok(dpkg(&status));
        }
        let status = scratch.read().await?;
        keep(&kept, &status).await;
        Ok(dpkg(&status))
    }

    fn kept_list(&self, key: &str) -> PathBuf {
        let name = format!("dpkg-{}", &key[..key.len().min(32)]);
        self.settings.work.join("bases").join(name)
    }
}

/// Where Debian lists what is installed.
const LIST: &str = "/var/lib/dpkg/status";

/// A folder that cannot be written costs time at the next build, no more.
async fn keep(file: &Path, status: &str) {
    if let Some(folder) = file.parent() {
        let _ = tokio::fs::create_dir_all(folder).await;
    }
    let _ = tokio::fs::write(file, status).await;
}

/// A container that never starts, to look into an image.
struct Scratch<'a> {
    engine: &'a Engine,
    job: &'a Job,
    name: String,
}

impl<'a> Scratch<'a> {
    async fn new(builder: &'a Builder, job: &'a Job, image: &str) -> Result<Scratch<'a>, Problem> {
        let scratch = Scratch {
            engine: &builder.engine,
            job,
            name: job.named("packages"),
        };
        let body = json!({
            "Image": image, "Cmd": ["true"], "HostConfig": { "NetworkMode": "none" },
        });
        let made = scratch.engine.create_container(&scratch.name, &body).await;
        made.map_err(|e| e.to_problem())?;
        Ok(scratch)
    }

    async fn read(&self) -> Result<String, Problem> {
        let status = self.engine.read_file(&self.name, LIST).await;
        let status = status.map_err(|e| e.to_problem())?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&status).into_owned())
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.job.clear(std::mem::take(&mut self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_become_package_urls() {
        let urls = |parts: Vec<Part>| parts.iter().map(Part::url).collect::<Vec<_>>();
        let lock = r#"{"packages":{"":{"version":"1.0.0"},"node_modules/@a/b":{"version":"2.0.0"},"node_modules/x/node_modules/y":{"version":"3.1.0"},"node_modules/t":{"version":"1.0.0","dev":true}}}"#;
        assert_eq!(urls(npm(lock)), ["pkg:npm/%40a/b@2.0.0", "pkg:npm/y@3.1.0"]);
        let module = "module x\n\nrequire golang.org/x/text v0.3.0\nrequire (\n\tgithub.com/a/b v1.2.3 // indirect\n)\n";
        assert_eq!(
            urls(go(module)),
            [
                "pkg:golang/golang.org/x/text@v0.3.0",
                "pkg:golang/github.com/a/b@v1.2.3"
            ]
        );
        let pinned = "Flask[async]==3.0.1 ; python_version > '3'\n# note\nrequests>=2\ngunicorn==22.0.0 \\\n";
        assert_eq!(
            urls(requirements(pinned)),
            ["pkg:pypi/flask@3.0.1", "pkg:pypi/gunicorn@22.0.0"]
        );
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.41-1\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        assert_eq!(urls(dpkg(status)), ["pkg:deb/debian/libc6@2.41-1"]);
    }
}

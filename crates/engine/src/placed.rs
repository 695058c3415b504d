//! Files that an engine cannot put into a container: those of a root that is only read, and those that lie where memory is mounted
//! when it starts. They lie in a folder of the machine, one for each container, and are mounted one by one.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use pluvio_runtime::driver::FileToWrite;
use serde_json::Value;

/// Folders of containers that were never made, or are gone, are no older than this when they are looked for.
const LEFT: Duration = Duration::from_secs(3600);

/// Where such files lie.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    folder: PathBuf,
}

impl Placed {
    /// `folder` is made when it is needed; the engine must find it by the same path.
    pub(crate) fn new(folder: PathBuf) -> Placed {
        // A bind's source must be a whole path.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Placed { folder }
    }

    /// Writes them for a container that is to be made. A bind for each is added to `body`, which is that of its creation.
    pub(crate) fn write(
        &self,
        container: &str,
        files: &[FileToWrite],
        body: &mut Value,
    ) -> io::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        self.remove(container)?;
        let mut binds = Vec::new();
        for file in files {
            let at = self.path(container, &file.path)?;
            make_folder(at.parent().unwrap_or(&self.folder))?;
            let mut options = OpenOptions::new();
            let options = options
                .write(true)
                .create_new(true)
                .mode(u32::from(file.mode));
            options.open(&at)?.write_all(&file.content)?;
            // Whatever the mask of this process takes away.
            fs::set_permissions(&at, Permissions::from_mode(u32::from(file.mode)))?;
            binds.push(Value::from(format!("{}:{}:rw,Z", at.display(), file.path)));
        }
        let all = &mut body["HostConfig"]["Binds"];
        match all.as_array_mut() {
            Some(all) => all.extend(binds),
            None => *all = binds.into(),
        }
        Ok(())
    }

    /// Gives them to the container's user. Who may not, lets everybody in the container read them.
    pub(crate) fn give(
        &self,
        container: &str,
        files: &[FileToWrite],
        (user, group): (u64, u64),
    ) -> io::Result<()> {
        for file in files {
            let at = self.path(container, &file.path)?;
            let ids = (u32::try_from(user).ok(), u32::try_from(group).ok());
            if chown(&at, ids.0, ids.1).is_err() {
                let mode = u32::from(file.mode) | 0o444;
                fs::set_permissions(&at, Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// In its place, which is what is mounted; false where none was put.
    pub(crate) fn rewrite(&self, container: &str, file: &FileToWrite) -> io::Result<bool> {
        if !self.of(container)?.exists() {
            return Ok(false);
        }
        let at = self.path(container, &file.path)?;
        match OpenOptions::new().write(true).truncate(true).open(at) {
            Ok(mut open) => open.write_all(&file.content).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn remove(&self, container: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.of(container)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Those of containers that are not there any more, whoever removed them.
    /// What cannot be removed, or goes meanwhile, is for the next time.
    pub(crate) fn sweep(&self, is_there: impl Fn(&str) -> bool) {
        let all = fs::read_dir(&self.folder);
        for entry in all.into_iter().flatten().flatten() {
            let Ok(made) = entry.metadata().and_then(|seen| seen.modified()) else {
                continue;
            };
            let is_old = SystemTime::now().duration_since(made).unwrap_or_default() > LEFT;
            if let Some(container) = entry.file_name().to_str()
                && is_old
                && !is_there(container)
            {
                let _ = self.remove(container);
            }
        }
    }

    fn of(&self, container: &str) -> io::Result<PathBuf> {
        let mut parts = Path::new(container).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) => Ok(self.folder.join(name)),
            _ => Err(io::Error::other(format!(
                "{container:?} is no container's name"
            ))),
        }
    }

    fn path(&self, container: &str, target: &str) -> io::Result<PathBuf> {
        let inside = Path::new(target.trim_start_matches('/'));
        let is_plain = inside
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        // A bind has no way to write a colon.
        if !is_plain
            || target.contains(':')
            || self.folder.as_os_str().as_encoded_bytes().contains(&b':')
        {
            return Err(io::Error::other(format!("{target:?} cannot be mounted")));
        }
        Ok(self.of(container)?.join(inside))
    }
}

/// Closed to everybody else on the machine; in the container, each file's own mode counts.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether the engine cannot put this file into a container of this body before it starts.
pub(crate) fn is_hidden(body: &Value, path: &str) -> bool {
    let host = &body["HostConfig"];
    let memory = host["Tmpfs"].as_object();
    let memory = memory
        .into_iter()
        .flatten()
        .map(|(target, _)| (target.as_str(), true));
    let mounts = host["Mounts"].as_array();
    let mounts = mounts.into_iter().flatten();
    let mounts = mounts.filter_map(|mount| Some((mount["Target"].as_str()?, false)));
    let binds = host["Binds"].as_array();
    let binds = binds.into_iter().flatten().filter_map(Value::as_str);
    let binds = binds.filter_map(|bind| Some((bind.split(':').nth(1)?, false)));
    let around = memory.chain(mounts).chain(binds).filter(|(target, _)| {
        let rest = path.strip_prefix(target.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.starts_with('/'))
    });
    let nearest = around.max_by_key(|(target, _)| target.trim_end_matches('/').len());
    match nearest {
        Some((_, true)) => true,
        // An archive is unpacked from the root, whatever lies below it.
        _ => host["ReadonlyRootfs"] == true,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use serde_json::json;

    use super::*;

    fn file(path: &str, content: &str) -> FileToWrite {
        FileToWrite {
            path: path.to_owned(),
            mode: 0o640,
            content: content.to_owned().into(),
        }
    }

    #[test]
    fn what_memory_hides_and_what_a_read_only_root_refuses_is_known() {
        let body = json!({ "HostConfig": {
            "Tmpfs": { "/run": "", "/data/cache/": "" },
            "Mounts": [{ "Target": "/data" }, { "Target": "/run/kept" }],
            "Binds": ["/srv:/srv:ro"],
        } });
        for hidden in ["/run/secrets/token", "/data/cache/x"] {
            assert!(is_hidden(&body, hidden), "{hidden}");
        }
        for open in [
            "/etc/app.conf",
            "/runner",
            "/data/x",
            "/run/kept/x",
            "/srv/x",
        ] {
            assert!(!is_hidden(&body, open), "{open}");
        }
        let mut body = body;
        body["HostConfig"]["ReadonlyRootfs"] = true.into();
        assert!(is_hidden(&body, "/etc/app.conf"));
        assert!(is_hidden(&body, "/srv/x"));
    }

    #[test]
    fn files_lie_on_the_machine_until_their_container_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let placed = Placed::new(folder.path().join("files"));
        let files = [file("/etc/app/one.conf", "1"), file("/two", "2")];
        let mut body = json!({ "HostConfig": { "Binds": ["/a:/b:ro"] } });
        placed.write("web-0", &files, &mut body).unwrap();
        let one = folder.path().join("files/web-0/etc/app/one.conf");
        let binds = body["HostConfig"]["Binds"].as_array().unwrap();
        assert_eq!(binds[0], "/a:/b:ro");
        assert_eq!(
            binds[1],
            format!("{}:/etc/app/one.conf:rw,Z", one.display())
        );
        assert_eq!(binds.len(), 3);
        let seen = one.metadata().unwrap();
        assert_eq!(seen.mode() & 0o7777, 0o640);
        assert_eq!(
            folder.path().join("files").metadata().unwrap().mode() & 0o777,
            0o700
        );
        placed
            .give(
                "web-0",
                &files,
                (u64::from(seen.uid()), u64::from(seen.gid())),
            )
            .unwrap();

        assert!(
            placed
                .rewrite("web-0", &file("/etc/app/one.conf", "11"))
                .unwrap()
        );
        assert!(!placed.rewrite("web-0", &file("/etc/other", "")).unwrap());
        assert_eq!(fs::read_to_string(&one).unwrap(), "11");
        assert_eq!(one.metadata().unwrap().ino(), seen.ino());

        placed.sweep(|_| false);
        assert!(one.exists(), "it may be about to be made");
        placed.remove("web-0").unwrap();
        placed.remove("web-0").unwrap();
        assert!(!one.exists());
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let placed = Placed::new(folder.path().join("files"));
        let write = |name: &str, path: &str| placed.write(name, &[file(path, "")], &mut json!({}));
        for (name, path) in [
            ("..", "/x"),
            ("a/b", "/x"),
            ("a", "/../x"),
            ("a", "/x:y"),
            ("", "/x"),
        ] {
            assert!(write(name, path).is_err(), "{name} {path}");
        }
        assert!(placed.remove("..").is_err());
    }
}

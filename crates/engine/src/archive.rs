//! Files into and out of containers, as tar archives.

use std::collections::BTreeSet;
use std::io::Read;
use std::pin::Pin;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, header};
use http_body_util::{BodyExt, BodyStream};
use pluvio_runtime::driver::{DriverError, FileToWrite};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::connection::{Body, Engine, empty, escape, full};
use crate::container::named;
use crate::error::Failure;

/// The most that is read of a container into memory, in bytes: a list of all of Debian's packages has less.
const SMALL: u64 = 16 << 20;

/// One entry of a small archive that is made in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarEntry<'a> {
    Folder {
        path: &'a str,
        mode: u32,
    },
    File {
        path: &'a str,
        mode: u32,
        content: &'a [u8],
    },
}

impl TarEntry<'_> {
    /// An archive of entries, all owned by one user and group.
    pub fn archive(entries: &[TarEntry], owner: (u64, u64)) -> std::io::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(owner.0);
            header.set_gid(owner.1);
            match entry {
                TarEntry::Folder { path, mode } => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    tar.append_data(&mut header, relative(path), std::io::empty())?;
                }
                TarEntry::File {
                    path,
                    mode,
                    content,
                } => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(content.len() as u64);
                    tar.append_data(&mut header, relative(path), *content)?;
                }
            }
        }
        tar.into_inner()
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

impl Engine {
    /// Unpacks a tar stream in a folder of a container that exists, running or not.
    pub async fn put_archive(
        &self,
        container: &str,
        folder: &str,
        tar: Body,
    ) -> Result<(), DriverError> {
        let path = format!("/containers/{container}/archive?path={}", escape(folder));
        let sent = async {
            let headers = [(header::CONTENT_TYPE, "application/x-tar")];
            let response = self.send(Method::PUT, &path, &headers, tar).await?;
            let body = response.into_body().collect().await;
            body.map_err(|e| Failure::Connection(e.to_string()))
        };
        sent.await
            .map(drop)
            .map_err(|f| named(f, &format!("put files under {folder} into"), container))
    }

    /// A path of a container as a tar stream; `None` when it is not there.
    pub async fn get_archive(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<Pin<Box<dyn AsyncRead + Send>>>, DriverError> {
        let query = format!("/containers/{container}/archive?path={}", escape(path));
        match self.send(Method::GET, &query, &[], empty()).await {
            Ok(response) => {
                let chunks = BodyStream::new(response.into_body()).map(|frame| match frame {
                    Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                    Err(error) => Err(std::io::Error::other(error)),
                });
                Ok(Some(Box::pin(tokio_util::io::StreamReader::new(chunks))))
            }
            Err(Failure::Answer {
                status: 404,
                message,
            }) if !message.contains("o such container") => Ok(None),
            Err(failure) => Err(named(failure, &format!("read {path} of"), container)),
        }
    }

    /// One small file of a container: what is larger than 16 MiB, whoever made it, is an error.
    pub async fn read_file(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<Vec<u8>>, DriverError> {
        let Some(mut body) = self.get_archive(container, path).await? else {
            return Ok(None);
        };
        let broken = |why: String| named(Failure::Body(why), &format!("read {path} of"), container);
        let mut tar = Vec::new();
        (&mut body)
            .take(SMALL + 1)
            .read_to_end(&mut tar)
            .await
            .map_err(|e| broken(e.to_string()))?;
        if tar.len() as u64 > SMALL {
            return Err(broken(format!("it is larger than {SMALL} bytes")));
        }
        let mut archive = tar::Archive::new(&tar[..]);
        let mut content = Vec::new();
        if let Some(entry) = archive.entries().map_err(|e| broken(e.to_string()))?.next() {
            entry
                .and_then(|mut entry| entry.read_to_end(&mut content))
                .map_err(|e| broken(e.to_string()))?;
        }
        Ok(Some(content))
    }

    /// Whether a path is a folder with something in it.
    pub async fn holds_something(&self, container: &str, path: &str) -> Result<bool, DriverError> {
        /// The folder's own entry and the next one's, with what extends their headers.
        const HEAD: u64 = 64 * 1024;
        let Some(body) = self.get_archive(container, path).await? else {
            return Ok(false);
        };
        let mut head = Vec::new();
        let read = body.take(HEAD).read_to_end(&mut head).await;
        read.map_err(|error| {
            let why = Failure::Body(error.to_string());
            named(why, &format!("look into {path} of"), container)
        })?;
        let mut archive = tar::Archive::new(&head[..]);
        let entries = archive.entries().into_iter().flatten();
        let kinds = entries
            .map_while(Result::ok)
            .map(|entry| entry.header().entry_type());
        let kinds: Vec<tar::EntryType> = kinds.take(2).collect();
        Ok(kinds.len() == 2 && kinds[0].is_dir())
    }

    pub async fn path_exists(&self, container: &str, path: &str) -> Result<bool, DriverError> {
        let query = format!("/containers/{container}/archive?path={}", escape(path));
        match self.tell(Method::HEAD, &query).await {
            Ok(_) => Ok(true),
            Err(Failure::Answer { status: 404, .. }) => Ok(false),
            Err(failure) => Err(named(failure, &format!("look at {path} of"), container)),
        }
    }

    /// What tells one content of a file from another without reading it: the engine's word on its size, mode and time.
    pub async fn path_mark(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<String>, DriverError> {
        let query = format!("/containers/{container}/archive?path={}", escape(path));
        match self.send(Method::HEAD, &query, &[], empty()).await {
            Ok(answer) => {
                let mark = answer.headers().get("x-docker-container-path-stat");
                Ok(mark.and_then(|mark| mark.to_str().ok()).map(str::to_owned))
            }
            Err(Failure::Answer { status: 404, .. }) => Ok(None),
            Err(failure) => Err(named(failure, &format!("look at {path} of"), container)),
        }
    }

    /// Writes files with their folders, owned by the container's user, so that a mode of 0600 can be read by it.
    pub(crate) async fn write_files(
        &self,
        container: &str,
        files: &[FileToWrite],
    ) -> Result<(), DriverError> {
        if files.is_empty() {
            return Ok(());
        }
        let owner = self.owner_of(container).await?;
        // A folder that exists must keep its mode and owner, so only missing ones are in the archive.
        let mut missing: BTreeSet<&str> = BTreeSet::new();
        let mut there: BTreeSet<&str> = BTreeSet::new();
        for file in files {
            let mut folder = file.path.as_str();
            while let Some((parent, _)) = folder.rsplit_once('/') {
                if parent.is_empty() || missing.contains(parent) || there.contains(parent) {
                    break;
                }
                if self.path_exists(container, parent).await? {
                    there.insert(parent);
                    break;
                }
                missing.insert(parent);
                folder = parent;
            }
        }
        let folders = missing
            .into_iter()
            .map(|path| TarEntry::Folder { path, mode: 0o755 });
        let contents = files.iter().map(|file| TarEntry::File {
            path: &file.path,
            mode: u32::from(file.mode),
            content: &file.content,
        });
        let entries: Vec<_> = folders.chain(contents).collect();
        let tar = TarEntry::archive(&entries, owner)
            .map_err(|e| named(Failure::Body(e.to_string()), "put files into", container))?;
        self.put_archive(container, "/", full(Bytes::from(tar)))
            .await
    }

    /// User and group ids of the container's user.
    pub(crate) async fn owner_of(&self, container: &str) -> Result<(u64, u64), DriverError> {
        let inspected = self.inspect(container).await?;
        self.owner(container, inspected.user()).await
    }

    /// User and group ids of `USER`, `UID`, `UID:GID` or `USER:GROUP`; a name is looked up in the container.
    async fn owner(&self, container: &str, user: &str) -> Result<(u64, u64), DriverError> {
        if user.is_empty() {
            return Ok((0, 0));
        }
        let (user, group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        let group_id = group.and_then(|group| group.parse().ok());
        let passwd = match (user.parse::<u64>(), group_id) {
            (Ok(uid), Some(gid)) => return Ok((uid, gid)),
            _ => self.read_file(container, "/etc/passwd").await?,
        };
        let passwd = passwd.unwrap_or_default();
        let (uid, gid) = find_user(&String::from_utf8_lossy(&passwd), user)
            .or_else(|| Some((user.parse().ok()?, 0)))
            .unwrap_or((0, 0));
        Ok((uid, group_id.unwrap_or(gid)))
    }
}

/// A row of `/etc/passwd`, by name or number.
fn find_user(passwd: &str, user: &str) -> Option<(u64, u64)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*name == user || *uid == user)
            .then(|| Some((uid.parse().ok()?, gid.parse().ok()?)))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn users_are_found_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10002::/app:/bin/sh\n";
        assert_eq!(super::find_user(passwd, "app"), Some((10001, 10002)));
        assert_eq!(super::find_user(passwd, "10001"), Some((10001, 10002)));
        assert_eq!(super::find_user(passwd, "nobody"), None);
    }
}

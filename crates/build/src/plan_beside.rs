//! What lies around a compose file on disk, and how far it may reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pluvio_formats::compose::{self, Entry, Surroundings};
use pluvio_formats::yaml;

/// The largest file that is taken along as text.
const TEXT_MAX: u64 = 1 << 20;
/// The most files of one folder.
const FILES_MAX: usize = 200;

const OUTSIDE_OF_SOURCE: &str = "Only what was given is read: move the context into it. Of a repository or an archive, the folder with the compose file is named as a folder in it, and all of it is at hand.";

/// How far from its folder a compose file reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reach {
    /// To whatever is on this machine: it is of whoever asks.
    #[default]
    Machine,
    /// The same, and the application runs elsewhere, on a cluster or another machine: what lies here is taken along, or is not there.
    Elsewhere,
    /// Somebody else's folder: nothing outside of it is read or named.
    Folder,
    /// The same, where the folder lies in a larger source, such as a repository: nothing outside of that.
    Source(PathBuf),
}

/// A folder with every link on the way followed, as far as it is there.
pub(crate) fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Where a folder lies in one above it, both [`real`]: a path from there, empty for itself.
pub(crate) fn inside(whole: &Path, folder: &Path) -> String {
    let inside = folder.strip_prefix(whole).unwrap_or(Path::new(""));
    inside.to_string_lossy().into_owned()
}

/// The folder of a compose file.
#[derive(Debug)]
pub(crate) struct Beside {
    folder: PathBuf,
    /// What is not left, links followed.
    bound: Option<PathBuf>,
    /// Whether the application finds this machine's folders where it runs.
    is_there: bool,
    /// See [`Surroundings::outside`].
    pub(crate) remedy: String,
}

impl Beside {
    pub(crate) fn new(folder: &Path, reach: &Reach) -> Beside {
        let folder = real(folder);
        let bound = match reach {
            Reach::Machine | Reach::Elsewhere => None,
            Reach::Folder => Some(folder.clone()),
            Reach::Source(source) => Some(real(source)),
        };
        Beside {
            folder,
            bound,
            is_there: *reach == Reach::Machine,
            remedy: compose::Nothing.outside(),
        }
    }

    /// The folder so many above, or what to do where it is not taken for an application's source.
    pub(crate) fn above(&self, count: usize) -> Result<PathBuf, String> {
        let Some(root) = self.folder.ancestors().nth(count) else {
            return Err(
                "There are not so many folders above the file: correct the path.".to_owned(),
            );
        };
        if let Some(bound) = &self.bound {
            return match root.starts_with(bound) {
                true => Ok(root.to_owned()),
                false => Err(OUTSIDE_OF_SOURCE.to_owned()),
            };
        }
        let home = std::env::var_os("HOME").map(|home| real(Path::new(&home)));
        if root.parent().is_none() || home.as_ref().is_some_and(|home| home.starts_with(root)) {
            let which = match home {
                Some(home) if home == root => format!("{}, your home", root.display()),
                Some(_) if root.parent().is_some() => {
                    format!("{}, where your home is", root.display())
                }
                _ => "the whole disk".to_owned(),
            };
            return Err(format!(
                "That is {which}, which is not taken for one application's source: put the project into a folder of its own, or move the context below the file's folder."
            ));
        }
        Ok(root.to_owned())
    }

    /// Where this folder lies in one above it.
    pub(crate) fn inside(&self, root: &Path) -> String {
        inside(root, &self.folder)
    }

    /// What the source is instead of this folder, for people.
    pub(crate) fn told(&self, root: &Path) -> String {
        match &self.bound {
            None => format!(
                "It builds from above its folder: the source is {}.",
                root.display()
            ),
            Some(bound) => match root.strip_prefix(bound) {
                Ok(inside) if !inside.as_os_str().is_empty() => format!(
                    "It builds from above its folder: the source is the folder {}.",
                    inside.display()
                ),
                _ => {
                    "It builds from above its folder: the source is all that was given.".to_owned()
                }
            },
        }
    }

    /// `None` for what is outside of a folder that is not to be left, links followed.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let path = match path.strip_prefix('~') {
            Some(rest) if self.bound.is_none() => {
                PathBuf::from(std::env::var_os("HOME")?).join(rest.trim_start_matches('/'))
            }
            Some(_) => return None,
            None => self.folder.join(path),
        };
        match &self.bound {
            None => Some(path),
            Some(bound) => {
                let whole = path.canonicalize().ok()?;
                whole.starts_with(bound).then_some(whole)
            }
        }
    }
}

impl Surroundings for Beside {
    fn entry(&self, path: &str) -> Entry {
        let Some(place) = self.place(path) else {
            return Entry::Missing;
        };
        match fs::metadata(&place) {
            Err(_) => Entry::Missing,
            Ok(data) if data.is_dir() => Entry::Folder,
            Ok(data) if data.is_file() && data.len() <= TEXT_MAX => match fs::read(&place) {
                Ok(bytes) => String::from_utf8(bytes)
                    .ok()
                    .filter(|text| !text.contains('\0'))
                    .map_or(Entry::Other, Entry::Text),
                Err(_) => Entry::Other,
            },
            Ok(_) => Entry::Other,
        }
    }

    fn below(&self, path: &str) -> Option<Vec<String>> {
        let root = self.place(path)?;
        let mut files = Vec::new();
        let mut waiting = vec![String::new()];
        while let Some(inside) = waiting.pop() {
            let mut entries: Vec<_> = fs::read_dir(root.join(&inside))
                .ok()?
                .collect::<Result<_, _>>()
                .ok()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let name = entry.file_name().into_string().ok()?;
                let name = if inside.is_empty() {
                    name
                } else {
                    format!("{inside}/{name}")
                };
                if entry.file_type().ok()?.is_dir() {
                    waiting.push(name);
                } else {
                    files.push(name);
                }
                if files.len() + waiting.len() > FILES_MAX {
                    return None;
                }
            }
        }
        files.sort();
        Some(files)
    }

    fn absolute(&self, path: &str) -> Option<String> {
        if !self.is_there {
            return None;
        }
        let place = self.place(path)?;
        real(&place).into_os_string().into_string().ok()
    }

    fn is_program(&self, path: &str) -> bool {
        self.place(path)
            .and_then(|place| fs::metadata(place).ok())
            .is_some_and(|data| data.permissions().mode() & 0o111 != 0)
    }

    fn forgiven(&self, path: &str) -> Option<String> {
        let place = self.place(path)?;
        let data = fs::metadata(&place).ok()?;
        if !data.is_file() || data.len() > TEXT_MAX {
            return None;
        }
        let bytes = fs::read(place).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (!text.contains('\0')).then_some(text)
    }

    fn broken_at(&self, path: &str) -> Option<yaml::Position> {
        let place = self.place(path)?;
        let data = fs::metadata(&place).ok()?;
        if !data.is_file() || data.len() > TEXT_MAX {
            return None;
        }
        yaml::text_of(fs::read(place).ok()?).err()
    }

    fn outside(&self) -> String {
        self.remedy.clone()
    }
}

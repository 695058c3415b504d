//! What is in a volume: folders, files and links, as they are shown to people.

use serde::{Deserialize, Serialize};

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    File,
    Folder,
    /// A symbolic link. It is shown, and never followed.
    Link,
    /// A socket, pipe or device.
    Other,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub name: String,
    pub kind: FileKind,
    /// Of a file, in bytes.
    pub size: u64,
    /// Octal permission bits, as `ls -l` numbers them: `0644`.
    pub mode: String,
    pub user: u32,
    pub group: u32,
    pub modified: Option<jiff::Timestamp>,
    /// Where a link points, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// A folder's entries, by name; folders first.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// From the volume's root, without a slash before: empty for the root itself.
    pub path: String,
    pub entries: Vec<FileEntry>,
    /// Entries that are not shown: there are more than one answer holds.
    pub left_out: u64,
}

/// What a volume takes.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// On the disk: a sparse file counts by its blocks, a file with several names once.
    pub bytes: u64,
    pub files: u64,
}

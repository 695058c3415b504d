//! What an engine's local driver mounts as a volume: a share of another machine, a device.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an engine mounts in place of a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeOptions {
    /// The file system: `nfs`, `nfs4`, `cifs` …
    #[serde(rename = "type")]
    pub kind: String,
    /// What is mounted: `:/export` of a server that `o` names, `//server/share`, `/dev/sdb1`.
    pub device: String,
    /// Options as mount(8) has them, with commas between: `addr=10.0.0.2,rw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub o: Option<String>,
}

impl VolumeOptions {
    /// Each of `o`.
    pub fn each(&self) -> impl Iterator<Item = &str> {
        let all = self.o.as_deref().unwrap_or_default();
        all.split(',').filter(|one| !one.is_empty())
    }

    /// Whether it is no more than a folder of the machine or its memory, which have words of their own.
    pub fn is_elsewhere(&self) -> bool {
        !matches!(self.kind.as_str(), "none" | "tmpfs")
            && !self.each().any(|one| matches!(one, "bind" | "rbind"))
    }

    /// As an engine is told.
    pub fn driver_options(&self) -> IndexMap<String, String> {
        let mut all = IndexMap::new();
        all.insert("type".to_owned(), self.kind.clone());
        all.insert("device".to_owned(), self.device.clone());
        all.extend(self.o.clone().map(|o| ("o".to_owned(), o)));
        all
    }

    /// For people, without passwords: `nfs :/export (addr=10.0.0.2,rw)`.
    pub fn shown(&self) -> String {
        let masked = |one: &str| match one.split_once('=') {
            Some((key @ ("password" | "pass"), _)) => format!("{key}=…"),
            _ => one.to_owned(),
        };
        let options: Vec<String> = self.each().map(masked).collect();
        match options.is_empty() {
            true => format!("{} {}", self.kind, self.device),
            false => format!("{} {} ({})", self.kind, self.device, options.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::VolumeOptions;

    #[test]
    fn a_password_is_not_shown() {
        let mut share = VolumeOptions {
            kind: "cifs".to_owned(),
            device: "//nas/files".to_owned(),
            o: Some("username=a,password=secret,vers=3.0".to_owned()),
        };
        assert_eq!(
            share.shown(),
            "cifs //nas/files (username=a,password=…,vers=3.0)"
        );
        assert!(share.is_elsewhere());
        share.o = Some("bind".to_owned());
        assert!(!share.is_elsewhere());
        share.o = None;
        assert_eq!(share.shown(), "cifs //nas/files");
    }
}

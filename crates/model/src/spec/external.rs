//! What is outside: addresses of a component that is not run here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::Probe;
use crate::name::is_host_name;
use crate::text::text_newtype;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExternalSpec {
    /// `10.0.0.5`, `db.example.org`; with a port of its own where it listens on another than the component's: `10.0.0.5:6432`.
    pub addresses: Vec<OutsideAddress>,
    /// How each address is asked whether it is well; a connection to the first TCP port when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Probe>,
    /// Its addresses may be this machine's own: loopback, link-local, those of its interfaces. Needs the permission `host:access`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
}

/// A host outside: an address or a name, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutsideAddress {
    pub host: OutsideHost,
    /// In place of the component's port.
    pub port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutsideHost {
    Address(IpAddr),
    /// Lower-case; resolved by the node again and again.
    Name(Box<str>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address of a host: write 10.0.0.5, db.example.org, or one of them with a port, 10.0.0.5:5432"
)]
pub struct InvalidOutside(pub String);

impl FromStr for OutsideAddress {
    type Err = InvalidOutside;
    fn from_str(text: &str) -> Result<Self, InvalidOutside> {
        let invalid = || InvalidOutside(text.to_owned());
        // An IPv6 address has colons of its own; with a port it stands in brackets.
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(OutsideAddress {
                host: OutsideHost::Address(address),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port: u16 = port.parse().map_err(|_| invalid())?;
                if port == 0 {
                    return Err(invalid());
                }
                (host, Some(port))
            }
            None => (text, None),
        };
        let inner = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let host = match inner {
            Some(inner) => OutsideHost::Address(IpAddr::V6(inner.parse().map_err(|_| invalid())?)),
            None => match host.parse::<std::net::Ipv4Addr>() {
                Ok(address) => OutsideHost::Address(IpAddr::V4(address)),
                Err(_) if is_name(host) => {
                    let name = host.trim_end_matches('.').to_ascii_lowercase();
                    OutsideHost::Name(name.into())
                }
                Err(_) => return Err(invalid()),
            },
        };
        Ok(OutsideAddress { host, port })
    }
}

fn is_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    // What ends in digits is a mistyped address, not a name.
    let last = text.rsplit('.').next().unwrap_or_default();
    is_host_name(text) && !last.bytes().all(|b| b.is_ascii_digit()) && !last.starts_with("0x")
}

impl fmt::Display for OutsideHost {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            OutsideHost::Address(address) => address.fmt(out),
            OutsideHost::Name(name) => out.write_str(name),
        }
    }
}

impl fmt::Display for OutsideAddress {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match (&self.host, self.port) {
            (OutsideHost::Address(IpAddr::V6(address)), Some(port)) => {
                write!(out, "[{address}]:{port}")
            }
            (host, Some(port)) => write!(out, "{host}:{port}"),
            (host, None) => host.fmt(out),
        }
    }
}

text_newtype!(OutsideAddress, None, "the address of a host outside");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_or_a_name_and_perhaps_a_port() {
        for text in [
            "10.0.0.5",
            "10.0.0.5:5432",
            "db.example.org",
            "db.example.org:5432",
            "db",
            "::1",
            "[fd00::5]:5432",
        ] {
            let parsed: OutsideAddress = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!(
            "DB.Example.Org."
                .parse::<OutsideAddress>()
                .unwrap()
                .to_string(),
            "db.example.org"
        );
        for text in [
            "",
            ":5432",
            "10.0.0",
            "10.0.0.256",
            "db:0",
            "db:70000",
            "http://db",
            "db/x",
            "-db",
            "a..b",
            "0x7f000001",
            "2130706433",
            "[db]:1",
            "10.0.0.0/8",
        ] {
            assert!(text.parse::<OutsideAddress>().is_err(), "{text}");
        }
    }
}

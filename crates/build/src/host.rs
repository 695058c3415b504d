//! How this machine reaches the network, handed to what builds: certificate authorities, proxies, package registries.
//!
//! All of it is bound or set in build containers only; an image never holds it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Where Debian keeps the bundle that OpenSSL, GnuTLS, Go, git and curl read.
pub(crate) const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Programs that bring a bundle of their own are told of the system's.
pub(crate) const BUNDLE_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CAFILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
];

pub(crate) const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// Passed on as they are when this process has them. (`PIP_FIND_LINKS` is not: it names a folder of this machine.)
const REGISTRIES: [&str; 12] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "NPM_CONFIG_REGISTRY",
    "GOPROXY",
    "GOSUMDB",
    "GOPRIVATE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOINSECURE",
    "npm_config_registry",
];

/// What a build container gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostAccess {
    /// `NAME=value`
    pub(crate) env: Vec<String>,
    /// Files of the machine and where they lie in the container.
    binds: Vec<(PathBuf, String)>,
}

impl HostAccess {
    /// Read once for each build: settings of the machine may change while Pluvio runs.
    pub(crate) fn read(home_inside: &str) -> HostAccess {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        let first = |paths: &[PathBuf]| paths.iter().find(|path| path.is_file()).cloned();
        let mut access = HostAccess::default();
        for name in PROXIES.into_iter().chain(REGISTRIES) {
            if let Some(value) = variable(name) {
                access.env.push(format!("{name}={value}"));
            }
        }
        let given = variable("SSL_CERT_FILE")
            .map(PathBuf::from)
            .unwrap_or_default();
        let usual = [
            given,
            BUNDLE.into(),
            "/etc/pki/tls/certs/ca-bundle.crt".into(),
        ];
        if let Some(bundle) = first(&usual) {
            access.binds.push((bundle, BUNDLE.to_owned()));
            let named = BUNDLE_VARIABLES
                .iter()
                .map(|name| format!("{name}={BUNDLE}"));
            access.env.extend(named);
        }
        let pip = [
            "/etc/pip.conf".into(),
            home.join(".config/pip/pip.conf"),
            home.join(".pip/pip.conf"),
        ];
        for (file, inside) in [
            (first(&pip), "/etc/pip.conf".to_owned()),
            (
                first(&[home.join(".npmrc")]),
                format!("{home_inside}/.npmrc"),
            ),
            (
                first(&["/etc/npmrc".into()]),
                "/usr/local/etc/npmrc".to_owned(),
            ),
        ] {
            access.binds.extend(file.map(|file| (file, inside)));
        }
        if variable("GOPROXY").is_none() {
            access.env.extend(go_settings(&home));
        }
        access.env.extend(
            [
                "PIP_DISABLE_PIP_VERSION_CHECK=1",
                "npm_package_config_node_gyp_nodedir=/usr/local",
                "NPM_CONFIG_UPDATE_NOTIFIER=false",
                "GOTOOLCHAIN=local",
            ]
            .map(str::to_owned),
        );
        access
    }

    pub(crate) fn mounts(&self) -> Vec<Value> {
        let mount = |(source, target): &(PathBuf, String)| {
            json!({
                "Type": "bind", "Source": source, "Target": target, "ReadOnly": true,
            })
        };
        self.binds.iter().map(mount).collect()
    }

    /// Proxies as build arguments of a Dockerfile: predefined there, and not kept in the image's history.
    pub(crate) fn proxies() -> impl Iterator<Item = (String, String)> {
        PROXIES.iter().filter_map(|name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
            Some(((*name).to_owned(), value))
        })
    }
}

/// What `go env -w` wrote for the user who runs Pluvio.
fn go_settings(home: &Path) -> Vec<String> {
    let file = std::fs::read_to_string(home.join(".config/go/env")).unwrap_or_default();
    file.lines()
        .filter(|line| {
            [
                "GOPROXY=",
                "GOSUMDB=",
                "GOPRIVATE=",
                "GONOSUMDB=",
                "GOINSECURE=",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        })
        .map(str::to_owned)
        .collect()
}

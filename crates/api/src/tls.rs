//! TLS for the client: whom it believes, and what it says when it does not.

use std::sync::Arc;

use pluvio_model::problem::{self, Problem};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, crypto};

/// Believes the authorities in `ca` (PEM) and no others, or those of this system.
pub fn connector(ca: Option<&str>) -> Result<TlsConnector, Problem> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(text) => {
            let unreadable = |why: &dyn std::fmt::Display| {
                problem::REQUEST_INVALID.problem(
                    format!("The file of certificate authorities cannot be read: {why}."),
                    "Name a file of certificates in PEM: each begins with -----BEGIN CERTIFICATE-----.",
                )
            };
            for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
                let certificate = certificate.map_err(|e| unreadable(&e))?;
                roots.add(certificate).map_err(|e| unreadable(&e))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"it holds no certificate"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            // A system's bundle may hold some that are too old to be read; the others count.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(problem::SERVER_UNREACHABLE.problem(
                    "This system knows no certificate authority, so it can believe no server.",
                    "Install them (Debian: `apt install ca-certificates`), or name a file with `pluvio login URL --ca FILE`.",
                ));
            }
        }
    }
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name in `HOST:PORT` that the certificate must be for.
pub fn name_of(address: &str) -> Result<ServerName<'static>, Problem> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned()).map_err(|_| {
        problem::REQUEST_INVALID.problem(
            format!("{host:?} is neither a host's name nor an address."),
            "Write it as https://pluvio.example.org.",
        )
    })
}

/// What to do about a certificate that is not believed; `None` where the failure is another.
pub fn disbelief(error: &std::io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(why) => Some(format!("its certificate is not believed: {why}")),
        Error::InvalidMessage(_) => Some("it does not speak TLS: write http:// for it".to_owned()),
        _ => None,
    }
}

//! Why an API server is not reached, told apart: each has another remedy.

use std::error::Error as StdError;
use std::io::ErrorKind;

use tokio_rustls::rustls::{self, CertificateError};

use crate::failure::{end, told};

/// What keeps the API server from being reached, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreached {
    pub(crate) cause: String,
    pub(crate) remedy: &'static str,
}

impl Unreached {
    pub(crate) fn of(error: &kube::Error) -> Unreached {
        if let kube::Error::SerdeError(_) = error {
            return Unreached::new(
                "Something answers there that is no Kubernetes API server.",
                "Check the server's address and port in the kubeconfig; the API server's port is usually 6443.",
            );
        }
        if let kube::Error::Api(status) = error {
            return Unreached::new(
                format!(
                    "The API server answers {}: {}.",
                    status.code,
                    end(&status.message)
                ),
                "Look at the API server's log; `kubectl get --raw /readyz` tells whether it is well.",
            );
        }
        let mut link: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(one) = link {
            if let Some(known) = of_link(one) {
                return known;
            }
            link = next(one);
        }
        Unreached::new(
            format!("The cluster does not answer: {}.", end(&told(error))),
            "Check the server's address in the kubeconfig, and that this machine reaches it.",
        )
    }

    pub(crate) fn too_late(seconds: u64) -> Unreached {
        Unreached::new(
            format!("The API server does not answer within {seconds} seconds."),
            "Check the address in the kubeconfig, and that no firewall drops what this machine sends there.",
        )
    }

    fn new(cause: impl Into<String>, remedy: &'static str) -> Unreached {
        Unreached {
            cause: cause.into(),
            remedy,
        }
    }
}

/// An I/O error that carries another one does not name it as its source.
fn next<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(io) = error.downcast_ref::<std::io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return Some(inner);
    }
    error.source()
}

fn of_link(error: &(dyn StdError + 'static)) -> Option<Unreached> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(tls));
    }
    // The resolver's own error is nobody's type.
    if error.to_string().starts_with("dns error") {
        return Some(Unreached::new(
            "The name of the API server is not known to the DNS that this machine asks.",
            "Check the host in the kubeconfig's `server`, and this machine's DNS.",
        ));
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    match io.kind() {
        ErrorKind::ConnectionRefused => Some(Unreached::new(
            "The machine of the API server refuses the connection: nothing listens at that port.",
            "Check the port in the kubeconfig's `server`, and that the API server runs.",
        )),
        ErrorKind::TimedOut => Some(Unreached::too_late(5)),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some(Unreached::new(
            "No route leads from this machine to the API server's address.",
            "Check the address in the kubeconfig: one that only the cluster's own network knows is of no use from here.",
        )),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => {
            Some(Unreached::new(
                "The connection to the API server is broken off before it answers.",
                "Check that a Kubernetes API server listens at that port, and that nothing between here and there ends connections.",
            ))
        }
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Unreached {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            Unreached::new(
                "The API server's certificate has expired.",
                "Renew it (`kubeadm certs renew apiserver`, or by the cluster's provider). If it is new, set this machine's clock.",
            )
        }
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            Unreached::new(
                "The API server's certificate is not valid yet.",
                "Set this machine's clock, or that of the cluster.",
            )
        }
        rustls::Error::InvalidCertificate(
            Bad::NotValidForName | Bad::NotValidForNameContext { .. },
        ) => Unreached::new(
            "The API server's certificate is for another name than the kubeconfig's server has.",
            "Use a name or address that the certificate has, set `tls-server-name` in the kubeconfig, or have the certificate made for this one as well.",
        ),
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            Unreached::new(
                "The API server's certificate was made by another authority than the kubeconfig names: it is another cluster's, or somebody listens in between.",
                "Take the kubeconfig from this cluster anew, with its `certificate-authority-data`.",
            )
        }
        rustls::Error::InvalidMessage(_) => Unreached::new(
            "What answers there does not speak TLS.",
            "Check the port in the kubeconfig's `server`; the API server's is usually 6443.",
        ),
        rustls::Error::AlertReceived(alert) => Unreached::new(
            format!("The API server ends the TLS handshake: {alert:?}."),
            "Check that the kubeconfig's certificate is this cluster's and has not expired.",
        ),
        other => Unreached::new(
            format!("No safe connection to the API server comes about: {other}."),
            "Take the kubeconfig from this cluster anew, with its `certificate-authority-data`.",
        ),
    }
}

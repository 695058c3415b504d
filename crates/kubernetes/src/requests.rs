//! How much is asked of API servers: each request is counted where it leaves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::Request;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use pluvio_runtime::RequestCount;
use tower::util::MapRequestLayer;

/// By server and method. Of the whole process, as what is shown of it is.
static COUNTED: Mutex<BTreeMap<(String, String), u64>> = Mutex::new(BTreeMap::new());

/// A client whose requests are counted.
pub(crate) fn counting(config: Config) -> Result<Client, kube::Error> {
    let server = match (config.cluster_url.host(), config.cluster_url.port_u16()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let count = move |request: Request<Body>| {
        let key = (server.clone(), request.method().to_string());
        let mut counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry(key).or_default() += 1;
        request
    };
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(&MapRequestLayer::new(count)).build())
}

/// Since the process began.
pub(crate) fn counted() -> Vec<RequestCount> {
    let counted = COUNTED.lock().unwrap_or_else(PoisonError::into_inner);
    let rows = counted
        .iter()
        .map(|((server, method), count)| RequestCount {
            server: server.clone(),
            method: method.clone(),
            count: *count,
        });
    rows.collect()
}

//! With what the nodes pull: one Secret in each namespace that images are pulled for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use pluvio_model::name::Name;
use pluvio_runtime::{Pull, Pulls};
use serde_json::{Value, json};

use crate::remove::is_managed;
use crate::{MANAGER, deletion};

/// What it is called. It belongs to the namespace, not to one of its applications.
pub(crate) const SECRET: &str = "pluvio-images";

/// Brings the Secret of a namespace to what is pulled with now. Nothing where that is not known: what is there stays.
pub(crate) async fn bring(
    client: &Client,
    pulls: &dyn Pulls,
    team: &Name,
    namespace: &str,
) -> Result<Option<Pull>, kube::Error> {
    let Some(pull) = pulls.pull(team).await else {
        return Ok(None);
    };
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(MANAGER).force();
    let body = body(&pull, namespace);
    secrets.patch(SECRET, &params, &Patch::Apply(&body)).await?;
    Ok(Some(pull))
}

/// Takes the Secret of a namespace away.
pub(crate) async fn end(client: &Client, namespace: &str) -> Result<(), kube::Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    match secrets.get_metadata_opt(SECRET).await? {
        Some(there) if is_managed(there.labels()) => {
            deletion::seen(&secrets, &there, DeleteParams::default())
                .await
                .map(drop)
        }
        _ => Ok(()),
    }
}

fn body(pull: &Pull, namespace: &str) -> Value {
    let auth = STANDARD.encode(format!("{}:{}", pull.username, pull.password.0));
    let auths = json!({ "auths": { &pull.registry: { "auth": auth } } });
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": SECRET,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/managed-by": MANAGER },
        },
        "stringData": { ".dockerconfigjson": auths.to_string() },
    })
}

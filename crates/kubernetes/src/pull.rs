//! With what the nodes pull: one Secret in each namespace that images are pulled for.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use pluvio_model::name::Name;
use pluvio_runtime::{Pull, Pulls};
use serde_json::{Value, json};

use crate::remove::{HOME, is_managed};
use crate::{MANAGER, deletion};

/// What it is called. It belongs to the namespace, not to one of its applications.
pub(crate) const SECRET: &str = "pluvio-images";

/// Brings the Secret of a namespace to what is pulled with now, for the Pluvio whose own namespace is `home`. Nothing where that
/// is not known: what is there stays.
pub(crate) async fn bring(
    client: &Client,
    pulls: &dyn Pulls,
    team: &Name,
    namespace: &str,
    home: &str,
) -> Result<Option<Pull>, kube::Error> {
    let Some(pull) = pulls.pull(team).await else {
        return Ok(None);
    };
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply(MANAGER).force();
    let body = body(&pull, namespace, home);
    secrets.patch(SECRET, &params, &Patch::Apply(&body)).await?;
    Ok(Some(pull))
}

/// Takes the Secret of a namespace away, unless it is of another Pluvio, whose applications are in the namespace too.
pub(crate) async fn end(client: &Client, namespace: &str, home: &str) -> Result<(), kube::Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let Some(there) = secrets.get_metadata_opt(SECRET).await? else {
        return Ok(());
    };
    if !is_of(there.labels(), home) {
        return Ok(());
    }
    // One that was made before it had the label is of whose the namespace is.
    if !there.labels().contains_key(HOME) {
        let namespaces = Api::<Namespace>::all(client.clone());
        let space = namespaces.get_metadata_opt(namespace).await?;
        let of = space.as_ref().and_then(|space| space.labels().get(HOME));
        if of.is_some_and(|of| of != home) {
            return Ok(());
        }
    }
    deletion::seen(&secrets, &there, DeleteParams::default())
        .await
        .map(drop)
}

/// Whether a Secret with these labels is made by the Pluvio whose own namespace is `home`, or does not say by which one.
pub(crate) fn is_of(labels: &BTreeMap<String, String>, home: &str) -> bool {
    is_managed(labels) && labels.get(HOME).is_none_or(|of| of == home)
}

fn body(pull: &Pull, namespace: &str, home: &str) -> Value {
    let auth = STANDARD.encode(format!("{}:{}", pull.username, pull.password.0));
    let auths = json!({ "auths": { &pull.registry: { "auth": auth } } });
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {
            "name": SECRET,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/managed-by": MANAGER, HOME: home },
        },
        "stringData": { ".dockerconfigjson": auths.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Method, Request, Response};
    use kube::client::Body;

    use super::*;

    /// How often `pluvio-system` deletes a Secret with these labels, in a namespace with those.
    async fn deletions(secret: Value, namespace: Value) -> usize {
        let deleted = Arc::new(AtomicUsize::new(0));
        let count = deleted.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let is_secret = request.uri().path().contains("/secrets/");
            let labels = if is_secret { &secret } else { &namespace };
            let answer = if request.method() == Method::DELETE {
                count.fetch_add(1, Ordering::SeqCst);
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })
            } else {
                json!({
                    "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": { "name": SECRET, "uid": "one", "labels": labels },
                })
            };
            let answer = Response::new(Body::from(answer.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(answer) }
        });
        let client = Client::new(service, "default");
        let ended = end(&client, "crew--live", "pluvio-system").await;
        ended.expect("an answer");
        deleted.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn another_pluvio_s_secret_stays() {
        let managed = "app.kubernetes.io/managed-by";
        let of = |home: &str| json!({ (managed): MANAGER, (HOME): home });
        let unsaid = json!({ (managed): MANAGER });
        let (ours, others) = (of("pluvio-system"), of("pluvio-two"));
        for (secret, namespace, expected) in [
            (&ours, &others, 1),
            (&others, &ours, 0),
            (&unsaid, &ours, 1),
            (&unsaid, &unsaid, 1),
            (&unsaid, &others, 0),
            (&json!({}), &ours, 0),
        ] {
            let deleted = deletions(secret.clone(), namespace.clone()).await;
            assert_eq!(deleted, expected, "{secret} in {namespace}");
        }
    }

    #[test]
    fn the_secret_says_whose_it_is() {
        let pull = Pull {
            registry: "registry.example".to_owned(),
            username: "a".to_owned(),
            password: pluvio_model::stage::SecretValue("b".to_owned()),
        };
        let body = body(&pull, "crew--live", "pluvio-two");
        assert_eq!(body["metadata"]["labels"][HOME], "pluvio-two");
    }
}

//! Deleting what was looked at, and nothing that has come by its name meanwhile.

use std::fmt::Debug;

use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};
use pluvio_plan::lower::kubernetes::key;
use serde::de::DeserializeOwned;

use crate::failure::is_not_found;

/// Deletes the object of that name if its label says that it is the application's; without one, if it has no such label. True when
/// nothing of the application's is left by that name: one of somebody else stays.
pub(crate) async fn of_application(
    api: &Api<DynamicObject>,
    name: &str,
    application: Option<&String>,
    params: DeleteParams,
) -> Result<bool, kube::Error> {
    let Some(there) = api.get_metadata_opt(name).await? else {
        return Ok(true);
    };
    if there.labels().get(key::APPLICATION) != application {
        return Ok(true);
    }
    seen(api, &there, params).await
}

/// Deletes the object that was seen. True when nothing is left of it; refused as a conflict when another has its name by now.
pub(crate) async fn seen<K>(
    api: &Api<K>,
    there: &PartialObjectMeta<K>,
    params: DeleteParams,
) -> Result<bool, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let only = Preconditions {
        uid: there.uid(),
        resource_version: None,
    };
    on(api, there, only, params).await
}

/// Deletes the object as it was seen. True when nothing is left of it; refused as a conflict when somebody has written it since, or
/// another has its name by now.
pub(crate) async fn unchanged<K>(
    api: &Api<K>,
    there: &PartialObjectMeta<K>,
    params: DeleteParams,
) -> Result<bool, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let only = Preconditions {
        uid: there.uid(),
        resource_version: there.resource_version(),
    };
    on(api, there, only, params).await
}

async fn on<K>(
    api: &Api<K>,
    there: &PartialObjectMeta<K>,
    only: Preconditions,
    params: DeleteParams,
) -> Result<bool, kube::Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let params = DeleteParams {
        preconditions: Some(only),
        ..params
    };
    match api.delete(&there.name_any(), &params).await {
        Ok(either) => Ok(either.is_right()),
        Err(error) if is_not_found(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use kube::Client;
    use kube::client::Body;
    use kube::core::{ApiResource, GroupVersionKind};
    use serde_json::{Value, json};

    use super::*;

    /// A cluster that has a Service with those labels; what it was asked to delete, and on which condition.
    fn cluster(labels: Value) -> (Api<DynamicObject>, Arc<Mutex<Vec<Value>>>) {
        let deleted: Arc<Mutex<Vec<Value>>> = Arc::default();
        let told = deleted.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (told, labels) = (told.clone(), labels.clone());
            async move {
                let is_deletion = request.method() == Method::DELETE;
                let body = request.into_body().collect_bytes().await.expect("a body");
                if is_deletion {
                    let asked: Value = serde_json::from_slice(&body).expect("a body");
                    told.lock().expect("nobody panics").push(asked);
                }
                let answer = match is_deletion {
                    true => json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    false => json!({
                        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                        "metadata": { "name": "shop--web", "uid": "one", "labels": labels },
                    }),
                };
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(Response::new(answer))
            }
        });
        let kind = GroupVersionKind::gvk("", "v1", "Service");
        let resource = ApiResource::from_gvk_with_plural(&kind, "services");
        let client = Client::new(service, "default");
        (Api::namespaced_with(client, "team", &resource), deleted)
    }

    #[tokio::test]
    async fn only_the_applications_own_object_is_deleted_and_no_other_of_its_name() {
        let ours = "0198c0de-0000-7000-8000-000000000001".to_owned();
        let (api, deleted) = cluster(json!({ (key::APPLICATION): ours }));
        let params = DeleteParams::background();
        let gone = of_application(&api, "shop--web", Some(&ours), params.clone()).await;
        assert!(gone.expect("an answer"));
        let asked = deleted.lock().expect("nobody panics").clone();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0]["preconditions"]["uid"], "one");

        for labels in [json!({}), json!({ (key::APPLICATION): "another" })] {
            let (api, deleted) = cluster(labels);
            let gone = of_application(&api, "shop--web", Some(&ours), params.clone()).await;
            assert!(gone.expect("an answer"));
            assert!(deleted.lock().expect("nobody panics").is_empty());
        }
    }
}

//! What holds for every request: problems, pages, preconditions, repetitions.

use axum::body::Body;
use http::{Method, header};
use pluvio_control::Asker;
use pluvio_model::problem;
use pluvio_model::spec::AppSpec;
use pluvio_plan::permissions::widened;
use pluvio_store::NewApplication;
use serde_json::{Value, json};

use crate::scene::{Answer, HOME, SECRET, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_problem() {
    let scene = Scene::new().await;
    let scale = format!("{HOME}/applications/shop/scale");
    let post = |kind: &'static str, body: &'static str| {
        let mut request = Scene::request(Method::POST, &scale, &scene.owner, None);
        if !kind.is_empty() {
            request
                .headers_mut()
                .insert(header::CONTENT_TYPE, kind.parse().unwrap());
        }
        *request.body_mut() = Body::from(body);
        scene.send(request)
    };
    for (kind, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "{\"instances\":\"two\"}", 422),
        ("application/json", "", 400),
        ("text/plain", "{}", 415),
        ("", "{}", 415),
    ] {
        let answer = post(kind, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, "request.invalid"),
            "{kind} {body}"
        );
    }
    let large = json!({ "value": "x".repeat(5 << 20) });
    let large = scene
        .own(Method::PUT, "/applications/shop/secrets/KEY", Some(&large))
        .await;
    assert_eq!(large.status, 413);
    let asks = [
        (Method::GET, "/api/v1/nothing", "not-found"),
        (Method::DELETE, "/api/v1/version", "request.method"),
        (Method::POST, "/", "request.method"),
        (Method::GET, "/api/v1/operations/nonsense", "not-found"),
        (Method::GET, "/api/v1/teams/%ff/credentials", "not-found"),
    ];
    for (method, path, code) in asks {
        assert_eq!(
            scene.ask(method, path, &scene.owner, None).await.code(),
            code,
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_read_page_by_page() {
    let scene = Scene::new().await;
    let scope = scene.store.scope("main", "production").await.unwrap();
    for number in 0..6 {
        let name = format!("app-{number}").parse().unwrap();
        let new = NewApplication {
            scope: scope.clone(),
            name,
            display_name: None,
        };
        scene.store.create_application(new, "test").await.unwrap();
    }
    let looks = || *scene.node.looks.lock().unwrap();
    let before = looks();
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = scene
            .own(Method::GET, &format!("/applications?limit=3{after}"), None)
            .await
            .json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        names.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(
        names,
        ["app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "shop"]
    );
    for query in ["limit=0", "limit=201", "limit=x", "after=nonsense"] {
        let answer = scene
            .own(Method::GET, &format!("/applications?{query}"), None)
            .await;
        assert_eq!(answer.code(), "request.invalid", "{query}");
    }
    // Lists share one look at the node; nothing is asked for each of the seven applications. (The reconciler looks beside it.)
    assert!(looks() - before < 7, "{} looks", looks() - before);
}

async fn scale(scene: &Scene, instances: u32, more: &[(&str, &str)]) -> Answer {
    let path = format!("{HOME}/applications/shop/scale");
    let mut request = Scene::request(
        Method::POST,
        &path,
        &scene.owner,
        Some(&json!({ "instances": instances })),
    );
    for (name, value) in more {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    scene.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let scene = Scene::new().await;
    let seen = scene.own(Method::GET, "/applications/shop", None).await;
    let tag = seen.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(scale(&scene, 2, &[("if-match", &tag)]).await.status, 202);
    let stale = scale(&scene, 3, &[("if-match", &tag)]).await;
    assert_eq!(
        (stale.status.as_u16(), stale.code().as_str()),
        (412, "request.precondition")
    );
    assert_eq!(
        scale(&scene, 3, &[("if-match", "\"nonsense\"")])
            .await
            .status,
        412
    );
    assert_eq!(scale(&scene, 3, &[("if-match", "*")]).await.status, 202);
    let now = scene
        .own(Method::GET, "/applications/shop/spec", None)
        .await;
    assert_ne!(now.headers[header::ETAG].to_str().unwrap(), tag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_the_same_request() {
    let scene = Scene::new().await;
    let key = [("idempotency-key", "6b1e6bb0")];
    let first = scale(&scene, 2, &key).await;
    let again = scale(&scene, 2, &key).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (202, 202));
    assert_eq!(first.json()["id"], again.json()["id"]);
    let other = scale(&scene, 3, &key).await;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (409, "conflict")
    );
    assert_ne!(scale(&scene, 2, &[]).await.json()["id"], first.json()["id"]);
    assert_eq!(
        scale(&scene, 2, &[("idempotency-key", &"x".repeat(201))])
            .await
            .code(),
        "request.invalid"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_with_its_change_or_not_at_all() {
    let scene = Scene::new().await;
    let version = || async {
        let rows = scene
            .own(Method::GET, "/applications/shop/secrets", None)
            .await;
        assert!(!rows.text.contains(SECRET));
        rows.json()["items"][0]["version"].as_u64().unwrap()
    };
    let before = version().await;
    let put = |more: Vec<(&'static str, &'static str)>| {
        let path = format!("{HOME}/applications/shop/secrets/KEY");
        let mut request = Scene::request(
            Method::PUT,
            &path,
            &scene.owner,
            Some(&json!({ "value": "new" })),
        );
        for (name, value) in more {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        scene.send(request)
    };
    assert_eq!(put(vec![("if-match", "\"99\"")]).await.status, 412);
    assert_eq!(version().await, before);
    let first = put(vec![("idempotency-key", "once")]).await;
    assert_eq!(first.status, 202, "{first:?}");
    let again = put(vec![("idempotency-key", "once")]).await;
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(version().await, before + 1);
    let gone = scene
        .own(Method::DELETE, "/applications/shop/secrets/KEY", None)
        .await;
    assert_eq!(gone.code(), "refused", "the specification names it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_limited_and_named_by_its_content() {
    let scene = Scene::new().await;
    let upload = |bytes: Vec<u8>| {
        let mut request = Scene::request(Method::POST, "/api/v1/uploads", &scene.owner, None);
        *request.body_mut() = Body::from(bytes);
        scene.send(request)
    };
    assert_eq!(upload(Vec::new()).await.code(), "request.invalid");
    assert_eq!(upload(vec![0; (1 << 20) + 1]).await.status, 413);
    let kept = upload(b"not an archive".to_vec()).await;
    assert_eq!(kept.status, 201);
    let name = kept.json()["upload"].as_str().unwrap().to_owned();
    let plan = |upload: &str| {
        let body = json!({ "source": { "upload": upload } });
        let (scene, path) = (&scene, "/plan".to_owned());
        async move { scene.own(Method::POST, &path, Some(&body)).await }
    };
    for (name, code) in [
        (name.as_str(), "source.archive"),
        ("../../../seal.key", "source.missing"),
        (&"0".repeat(64), "source.missing"),
    ] {
        assert_eq!(plan(name).await.code(), code, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_specification_says_where_it_does_not_fit() {
    let scene = Scene::new().await;
    let scene = &scene;
    let deploy = |spec: Value| async move {
        let body = json!({ "spec": spec });
        scene
            .own(Method::POST, "/applications/shop/deploy", Some(&body))
            .await
    };
    let unknown =
        deploy(json!({ "apiVersion": "pluvio/v1", "name": "shop", "image": "a", "portz": {} }))
            .await;
    assert_eq!(unknown.code(), "spec.unknown-key");
    assert_eq!(unknown.json()["at"]["path"], "portz", "{unknown:?}");
    let other = deploy(json!({ "apiVersion": "pluvio/v1", "name": "other", "image": "a" })).await;
    assert_eq!(other.code(), "request.invalid");
    let secrets = scene
        .own(
            Method::POST,
            "/applications/shop/deploy",
            Some(&json!({ "secrets": { "A": "b" } })),
        )
        .await;
    assert_eq!(
        secrets.code(),
        "request.invalid",
        "nothing is passed over in silence"
    );
}

/// Who may go back and has no right over the machine does not get one that was taken out since.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_a_specification_is_asked_for_again_by_a_rollback() {
    let scene = Scene::new().await;
    let with = |host: Value| {
        json!({ "spec": { "name": "shop", "secrets": { "KEY": {} }, "components": { "web": {
            "image": "localhost/shop:1", "ports": { "http": { "port": 8080 } }, "env": { "KEY": "${secrets.KEY}" }, "host": host
        } } } })
    };
    for host in [json!({ "privileged": true }), json!({})] {
        let edit = with(host);
        let answer = scene.own(Method::PATCH, "/applications/shop/spec", Some(&edit));
        let answer = answer.await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let home = scene.store.scope("main", "production").await.unwrap();
    let application = scene.control.find(&home, "shop").await.unwrap().unwrap();
    let by = || Asker {
        actor: "somebody".to_owned(),
        idempotency: None,
        if_revision: None,
    };
    let may_not = |today: &AppSpec, back: &AppSpec| match widened(Some(today), back).pop() {
        Some(needed) => Err(problem::PERMISSION_DENIED
            .problem("It needs more.", "Ask.")
            .path(needed.path)),
        None => Ok(()),
    };
    let back = |to| {
        scene
            .control
            .rollback(by(), &application, Some(to), may_not)
    };
    let refused = back(2).await.unwrap_err();
    assert_eq!(refused.code, "permission.denied");
    let at = refused.at.unwrap().path;
    assert_eq!(at, "components.web.host.privileged");
    // The one before never had it.
    back(1).await.unwrap();
}

//! Every change leaves a record, and whoever may sees it.

use std::collections::BTreeSet;

use http::Method;
use pluvio_store::{AuditFilter, PageRequest};
use serde_json::{Value, json};

use crate::scene::{Answer, HOME, Scene, deploy, token};

/// Changes nothing: says what would be, or what a browser shall answer to.
const LOOKS: [&str; 10] = [
    "POST /api/v1/clusters/check",
    "POST /api/v1/teams/{team}/environments/{environment}/spec/read",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/spec/preview",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/copy/preview",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/promote/preview",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/components/{component}/preview",
    "POST /api/v1/teams/{team}/environments/{environment}/plan",
    "POST /api/v1/audit/verify",
    "POST /api/v1/passkeys/options",
    "POST /api/v1/session/passkey/options",
];
/// Needs a database that runs (recorded in `databases_kept.rs`), a cluster (`clusters.rs`) or an authenticator.
/// That they are recorded is in `pluvio-store`'s suite.
const ELSEWHERE: [&str; 19] = [
    "POST /api/v1/clusters",
    "POST /api/v1/clusters/{cluster}/rotate",
    "DELETE /api/v1/clusters/{cluster}",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/address",
    "PATCH /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/parameters",
    "PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/schedule",
    "DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/schedule",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/upload",
    "DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/{backup}",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/backups/{backup}/restore",
    "POST /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users",
    "PUT /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users/{user}",
    "DELETE /api/v1/teams/{team}/environments/{environment}/applications/{application}/databases/{component}/users/{user}",
    "POST /api/v1/passkeys",
    "PATCH /api/v1/passkeys/{passkey}",
    "DELETE /api/v1/passkeys/{passkey}",
    "POST /api/v1/session/passkey",
];

async fn newest(scene: &Scene) -> u64 {
    let page = PageRequest {
        limit: 1,
        after: None,
    };
    let rows = scene
        .store
        .audit_records(&AuditFilter::default(), &page)
        .await
        .unwrap();
    rows.items.first().map_or(0, |row| row.number)
}

/// The operation of the document that a request is.
fn operation(document: &Value, method: &Method, path: &str) -> String {
    let parts: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len()
            && template
                .iter()
                .zip(&parts)
                .all(|(a, b)| a == b || a.starts_with('{'))
    };
    let paths = document["paths"].as_object().unwrap();
    let verb = method.as_str().to_lowercase();
    let mut found: Vec<&String> = paths
        .iter()
        .filter(|(template, item)| fits(template) && item[&verb].is_object())
        .map(|(template, _)| template)
        .collect();
    // `/session/link` is not `/session/{…}`: the one with the fewest parameters.
    found.sort_by_key(|template| template.matches('{').count());
    format!(
        "{method} {}",
        found.first().unwrap_or_else(|| panic!("{method} {path}"))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_a_record() {
    let scene = Scene::new().await;
    let document: Value = serde_json::from_str(&pluvio_server::openapi()).unwrap();
    for name in ["blog", "wiki"] {
        deploy(&scene.store, &scene.control, name).await;
    }
    let owner = scene.store.home().owner;
    let link = scene
        .store
        .make_signin_link(owner, std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let (revoked, _) = token(&scene.store, owner, pluvio_model::permission::Role::Reader).await;
    let password = "four random words here";
    scene
        .store
        .set_password(owner, Some(password), None, "test")
        .await
        .unwrap();
    let home = scene.store.user(owner).await.unwrap().name;

    let image = pluvio_store::NewManifest {
        digest: "sha256:1".to_owned(),
        media_type: "an image".to_owned(),
        bytes: 1,
        subject: None,
        artifact_type: None,
        annotations: Default::default(),
        needs: Vec::new(),
        may_need: Vec::new(),
        tag: Some("v1".to_owned()),
    };
    let team = scene.store.home().team;
    let pushed = scene
        .store
        .put_image_manifest(team, "main/shop/web", &image, None, "test");
    pushed.await.unwrap();

    let app = |rest: &str| format!("{HOME}/applications/shop{rest}");
    let spec = |name: &str| json!({ "spec": { "name": name, "components": { "web": { "image": "localhost/shop:2" } } } });
    let edited = json!({ "spec": { "name": "shop", "secrets": { "KEY": {} }, "components": { "web": {
        "image": "localhost/shop:1", "ports": { "http": { "port": 8080 } }, "env": { "KEY": "${secrets.KEY}" }
    } } } });
    let credential =
        json!({ "kind": "registry", "host": "ghcr.io", "username": "me", "secret": "a-secret" });
    let asks: Vec<(Method, String, Option<Value>)> = vec![
        (
            Method::POST,
            "/api/v1/session".into(),
            Some(json!({ "name": home, "password": password })),
        ),
        (
            Method::POST,
            "/api/v1/session/link".into(),
            Some(json!({ "token": link })),
        ),
        (Method::POST, "/api/v1/signin-links".into(), None),
        (
            Method::POST,
            "/api/v1/tokens".into(),
            Some(json!({ "name": "ci" })),
        ),
        (
            Method::DELETE,
            format!("/api/v1/tokens/{}", revoked.id),
            None,
        ),
        (
            Method::PUT,
            "/api/v1/teams/main/credentials/ghcr".into(),
            Some(credential),
        ),
        (
            Method::DELETE,
            "/api/v1/teams/main/credentials/ghcr".into(),
            None,
        ),
        (
            Method::DELETE,
            "/api/v1/teams/main/images?repository=main/shop/web&reference=v1".into(),
            None,
        ),
        (
            Method::PUT,
            "/api/v1/teams/main/images/quota".into(),
            Some(json!({ "bytes": 1_000_000 })),
        ),
        (Method::POST, "/api/v1/images/collect".into(), None),
        (
            Method::POST,
            "/api/v1/teams/main/clusters/local/pull-credential".into(),
            None,
        ),
        (Method::POST, "/api/v1/cluster/rebind".into(), None),
        (Method::POST, app("/scale"), Some(json!({ "instances": 2 }))),
        (
            Method::PATCH,
            app("/components/web"),
            Some(json!({ "env": { "LOG": "debug" } })),
        ),
        (Method::PATCH, app("/spec"), Some(edited)),
        (Method::POST, app("/restart?components=web"), None),
        (
            Method::POST,
            "/api/v1/teams/main/environments".into(),
            Some(json!({ "name": "staging" })),
        ),
        (
            Method::POST,
            "/api/v1/teams/main/environments".into(),
            Some(json!({ "name": "empty" })),
        ),
        (
            Method::DELETE,
            "/api/v1/teams/main/environments/empty?confirm=empty".into(),
            None,
        ),
        (
            Method::POST,
            app("/copy"),
            Some(json!({ "to": "staging", "copy_secrets": true })),
        ),
        (
            Method::POST,
            app("/promote"),
            Some(json!({ "to": "staging", "confirm": true })),
        ),
        (
            Method::PUT,
            app("/secrets/KEY"),
            Some(json!({ "value": "another" })),
        ),
        (
            Method::PUT,
            app("/secrets/SPARE"),
            Some(json!({ "value": "not used" })),
        ),
        (Method::DELETE, app("/secrets/SPARE"), None),
        (Method::POST, app("/stop"), None),
        (Method::POST, app("/start"), None),
        (Method::POST, app("/rollback"), Some(json!({ "to": 1 }))),
        (Method::POST, app("/deploy"), Some(spec("shop"))),
        (
            Method::PUT,
            format!("{HOME}/applications/blog/spec"),
            Some(spec("blog")),
        ),
        (
            Method::DELETE,
            format!("{HOME}/applications/wiki?confirm=wiki"),
            None,
        ),
    ];
    let mut walked = BTreeSet::new();
    for (method, path, body) in asks {
        let before = newest(&scene).await;
        let answer = scene
            .ask(method.clone(), &path, &scene.owner, body.as_ref())
            .await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        assert!(
            newest(&scene).await > before,
            "{method} {path} leaves no record"
        );
        walked.insert(operation(&document, &method, &path));
        if path.ends_with("/deploy") {
            let path = format!(
                "/api/v1/operations/{}/cancel",
                answer.json()["id"].as_str().unwrap()
            );
            // A worker may have had it by then: what ended is not cancelled any more.
            let before = newest(&scene).await;
            let cancelled = scene.ask(Method::POST, &path, &scene.owner, None).await;
            assert!(
                cancelled.status.is_success() || cancelled.status == 409,
                "{cancelled:?}"
            );
            let took =
                cancelled.status.is_success() && cancelled.json()["cancel_requested"] == true;
            assert!(newest(&scene).await > before || !took, "{cancelled:?}");
            walked.insert(operation(&document, &Method::POST, &path));
        }
    }

    let before = newest(&scene).await;
    let mut upload = Scene::request(Method::POST, "/api/v1/uploads", &scene.owner, None);
    *upload.body_mut() = axum::body::Body::from("an archive");
    assert_eq!(scene.send(upload).await.status, 201);
    assert!(newest(&scene).await > before);
    walked.insert("POST /api/v1/uploads".to_owned());

    // Nothing is fetched from this machine; that somebody asked is kept, without what may be secret in the address.
    let before = newest(&scene).await;
    let body = json!({ "url": "http://127.0.0.1:9/compose.yaml?token=not-to-be-shown" });
    let refused = scene
        .ask(Method::POST, "/api/v1/fetch", &scene.owner, Some(&body))
        .await;
    assert_eq!(refused.code(), "source.fetch");
    assert!(newest(&scene).await > before);
    let rows = scene
        .store
        .audit_records(
            &AuditFilter::default(),
            &PageRequest {
                limit: 1,
                after: None,
            },
        )
        .await
        .unwrap();
    assert!(!format!("{rows:?}").contains("not-to-be-shown"), "{rows:?}");
    walked.insert("POST /api/v1/fetch".to_owned());

    // A run of what has no schedule is refused; that somebody asked is kept all the same.
    let (path, before) = (app("/components/web/runs"), newest(&scene).await);
    let refused = scene.ask(Method::POST, &path, &scene.owner, None).await;
    assert!(!refused.status.is_success(), "{refused:?}");
    assert!(newest(&scene).await > before);
    walked.insert(operation(&document, &Method::POST, &path));

    for (method, path) in volumes(&scene).await {
        walked.insert(operation(&document, &method, &path));
    }

    // By cookie only: a password, and signing out.
    let hour = std::time::Duration::from_secs(3600);
    let opened = scene.store.open_session(owner, hour, hour).await.unwrap();
    let by_cookie = async |method: Method, path: &str, body: Option<&Value>| -> Answer {
        let mut request = Scene::request(method, path, "", body);
        let headers = request.headers_mut();
        let cookie = format!("pluvio_session={}", opened.token);
        headers.insert("cookie", cookie.parse().unwrap());
        headers.insert("x-pluvio-csrf", opened.session.csrf.parse().unwrap());
        scene.send(request).await
    };
    let change = json!({ "current": password, "password": "four other words now" });
    for (method, path, body) in [
        (Method::PUT, "/api/v1/session/password", Some(&change)),
        (Method::DELETE, "/api/v1/session", None),
    ] {
        let before = newest(&scene).await;
        let answer = by_cookie(method.clone(), path, body).await;
        assert_eq!(answer.status, 204, "{path}: {answer:?}");
        assert!(newest(&scene).await > before, "{method} {path}");
        walked.insert(format!("{method} {path}"));
    }

    // A sign-in that failed is one too; what was typed is not in it.
    let wrong = json!({ "name": "a-password-in-the-wrong-field", "password": "wrong" });
    let refused = scene
        .ask(Method::POST, "/api/v1/session", "", Some(&wrong))
        .await;
    assert_eq!(refused.code(), "auth.invalid");
    let result = Some("refused".to_owned());
    let filter = AuditFilter {
        result,
        ..AuditFilter::default()
    };
    let rows = scene
        .store
        .audit_records(&filter, &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        (rows[0].action.as_str(), rows[0].actor.as_str()),
        ("sign-in", "nobody")
    );

    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"] {
            let name = format!("{} {path}", method.to_uppercase());
            let elsewhere = LOOKS.iter().chain(&ELSEWHERE).any(|other| *other == name);
            if item[method].is_object() && !elsewhere {
                assert!(
                    walked.contains(&name),
                    "{name} is not among the changes tried here"
                );
            }
        }
    }
    // None of it holds a value of a secret.
    let page = PageRequest {
        limit: 200,
        after: None,
    };
    let all = scene
        .store
        .audit_records(&AuditFilter::default(), &page)
        .await
        .unwrap();
    let text = format!("{all:?}");
    for value in [
        "another",
        "not used",
        "a-secret",
        password,
        crate::scene::SECRET,
        "wrong-field",
    ] {
        assert!(!text.contains(value), "{value} is in the audit log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_by_those_who_answer_for_it() {
    let scene = Scene::new().await;
    let read = async |path: &str, token: &str| scene.ask(Method::GET, path, token, None).await;
    let team = read(
        "/api/v1/teams/main/audit?action=application&limit=1",
        &scene.owner,
    )
    .await
    .json();
    let row = &team["items"][0];
    assert_eq!(
        (&row["team"], &row["actor"]),
        (&json!("main"), &json!("owner")),
        "{row}"
    );
    assert_eq!(team["items"].as_array().unwrap().len(), 1);
    assert!(team["next"].is_string(), "there is more: {team}");

    let every = read("/api/v1/audit?object=user", &scene.owner).await.json();
    assert!(
        every["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["team"].is_null()),
        "{every}"
    );
    let of_team = read("/api/v1/teams/main/audit?object=user", &scene.owner)
        .await
        .json();
    assert_eq!(of_team["items"], json!([]), "what belongs to no team");
    for path in ["/api/v1/teams/main/audit", "/api/v1/audit"] {
        assert_eq!(read(path, &scene.reader).await.code(), "permission.denied");
        assert_eq!(read(path, &scene.stranger).await.code(), "not-found");
        for wrong in ["since=yesterday", "limit=0", "after=x"] {
            let path = format!("{path}?{wrong}");
            assert_eq!(
                read(&path, &scene.owner).await.code(),
                "request.invalid",
                "{path}"
            );
        }
    }
    // What was refused is written beside its answer, and sealed a moment later.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let verified = loop {
        let verified = scene
            .ask(Method::POST, "/api/v1/audit/verify", &scene.owner, None)
            .await
            .json();
        if verified["open"] == 0 || tokio::time::Instant::now() > deadline {
            break verified;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(
        verified["sealed"].as_u64().unwrap() > 3,
        "control chains: {verified}"
    );
    assert_eq!(verified["open"], 0, "{verified}");
}

/// Whoever may not go into an instance and tries is told of; so is what could not be opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_or_failed_terminal_is_recorded() {
    let scene = Scene::new().await;
    let results = async || -> Vec<(String, String)> {
        let filter = AuditFilter {
            action: Some("instance:exec".to_owned()),
            ..AuditFilter::default()
        };
        let page = PageRequest::default();
        let rows = scene.store.audit_records(&filter, &page).await.unwrap();
        let told = |row: pluvio_store::AuditRecord| (row.actor, row.result);
        rows.items.into_iter().map(told).collect()
    };
    let exec = format!("{HOME}/applications/shop/instances/shop--web--1/exec");
    let refused = scene.ask(Method::GET, &exec, &scene.reader, None).await;
    assert_eq!(refused.code(), "permission.denied");
    assert_eq!(results().await, [("rita".to_owned(), "refused".to_owned())]);
    let stranger = scene.ask(Method::GET, &exec, &scene.stranger, None).await;
    assert_eq!(stranger.code(), "not-found");
    assert_eq!(results().await.len(), 1, "a stranger fills no team's log");

    // The scene's node connects nobody.
    let address = scene.listen().await;
    let url =
        format!("ws://{address}{HOME}/applications/shop/instances/shop--web--1/connect?port=9");
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    let bearer = format!("Bearer {}", scene.owner).parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    assert!(tokio_tungstenite::connect_async(request).await.is_err());
    let told = results().await;
    let owner = |result: &str| ("owner".to_owned(), result.to_owned());
    assert_eq!(told[..2], [owner("failed"), owner("opened")]);
}

/// Everything that is asked of volumes and their files. What takes an engine does not succeed here; that somebody asked is kept
/// all the same.
async fn volumes(scene: &Scene) -> Vec<(Method, String)> {
    let mounting = json!({ "volumes": { "/data": { "name": "data" } } });
    let path = format!("{HOME}/applications/blog/components/web");
    let answer = scene
        .ask(Method::PATCH, &path, &scene.owner, Some(&mounting))
        .await;
    assert!(answer.status.is_success(), "{answer:?}");
    let listed = async || {
        let path = format!("{HOME}/volumes");
        let answer = scene.ask(Method::GET, &path, &scene.owner, None).await;
        answer.json()["items"].as_array().unwrap().clone()
    };
    let id = listed().await[0]["id"].as_str().unwrap().to_owned();
    let volume = id.parse().unwrap();
    scene
        .store
        .note_volume(volume, "pluvio-blog-data", None)
        .await
        .unwrap();
    let of = |rest: &str| format!("{HOME}/volumes/{id}{rest}");
    let copy = json!({ "name": "again" });
    let cloned = scene
        .ask(Method::POST, &of("/clone"), &scene.owner, Some(&copy))
        .await;
    assert_eq!(cloned.status, 202, "{cloned:?}");
    let second = listed().await[1]["id"].as_str().unwrap().to_owned();
    let whole = second.parse().unwrap();
    scene.store.finish_copy(whole, 1, |_| {}).await.unwrap();
    let second = format!("{HOME}/volumes/{second}");
    let attach = json!({ "application": "blog", "component": "web", "path": "/more" });
    let asks = [
        (
            Method::POST,
            of("/clone"),
            Some(json!({ "name": "third" })),
            true,
        ),
        (
            Method::POST,
            of("/detach"),
            Some(json!({ "application": "blog" })),
            true,
        ),
        (Method::POST, of("/attach"), Some(attach), true),
        (
            Method::DELETE,
            format!("{second}?confirm=again"),
            None,
            true,
        ),
        (Method::POST, format!("{second}/restore"), None, true),
        (Method::POST, of("/folders?path=new"), None, false),
        (Method::DELETE, of("/files?path=new"), None, false),
    ];
    let mut tried = Vec::new();
    for (method, path, body, succeeds) in asks {
        let before = newest(scene).await;
        let answer = scene
            .ask(method.clone(), &path, &scene.owner, body.as_ref())
            .await;
        let went = answer.status.is_success();
        assert!(went || !succeeds, "{method} {path}: {answer:?}");
        assert!(
            newest(scene).await > before,
            "{method} {path} leaves no record"
        );
        tried.push((method, path));
    }
    let before = newest(scene).await;
    let path = of("/content?path=a");
    let mut put = Scene::request(Method::PUT, &path, &scene.owner, None);
    *put.body_mut() = axum::body::Body::from("content");
    put.headers_mut().insert("content-length", 7.into());
    scene.send(put).await;
    assert!(newest(scene).await > before);
    tried.push((Method::PUT, path));
    tried
}

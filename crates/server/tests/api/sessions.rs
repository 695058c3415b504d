//! Signing in and out, and what a browser could be made to do.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, Method, Request, header};
use pluvio_model::permission::Role;
use serde_json::{Value, json};

use crate::scene::{Answer, HOME, Scene, token};

/// A browser that is signed in.
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Browser {
    pub(crate) async fn sign_in(scene: &Scene) -> Browser {
        let owner = scene.store.home().owner;
        let link = scene
            .store
            .make_signin_link(owner, Duration::from_secs(60))
            .await
            .unwrap();
        let answer = scene
            .ask(
                Method::POST,
                "/api/v1/session/link",
                "",
                Some(&json!({ "token": link })),
            )
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Browser::of(&answer)
    }

    fn of(answer: &Answer) -> Browser {
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        Browser {
            cookie: cookie.split(';').next().unwrap().to_owned(),
            csrf: answer.json()["csrf"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn send(
        &self,
        scene: &Scene,
        method: Method,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Scene::request(method, path, "", body);
        let headers = request.headers_mut();
        headers.insert(header::COOKIE, self.cookie.parse().unwrap());
        for (name, value) in more {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        scene.send(request).await
    }

    pub(crate) async fn is_signed_in(&self, scene: &Scene) -> bool {
        let answer = self
            .send(scene, Method::GET, "/api/v1/session", &[], None)
            .await;
        answer.status == 200
    }

    async fn set_password(&self, scene: &Scene, current: Option<&str>, password: &str) -> Answer {
        let body = json!({ "current": current, "password": password });
        let csrf = [("x-pluvio-csrf", self.csrf.as_str())];
        self.send(
            scene,
            Method::PUT,
            "/api/v1/session/password",
            &csrf,
            Some(&body),
        )
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_works_once_and_the_cookie_is_the_browsers_alone() {
    let scene = Scene::new().await;
    let owner = scene.store.home().owner;
    let link = scene
        .store
        .make_signin_link(owner, Duration::from_secs(60))
        .await
        .unwrap();
    let body = json!({ "token": link });
    let first = scene
        .ask(Method::POST, "/api/v1/session/link", "", Some(&body))
        .await;
    assert_eq!(first.status, 200);
    let cookie = first.headers[header::SET_COOKIE].to_str().unwrap();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "of this host alone: {cookie}");
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-store");
    let second = scene
        .ask(Method::POST, "/api/v1/session/link", "", Some(&body))
        .await;
    assert_eq!(second.code(), "auth.link");
    let late = scene
        .store
        .make_signin_link(owner, Duration::ZERO)
        .await
        .unwrap();
    let late = scene
        .ask(
            Method::POST,
            "/api/v1/session/link",
            "",
            Some(&json!({ "token": late })),
        )
        .await;
    assert_eq!(late.code(), "auth.link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_cookie_needs_the_sessions_value_and_the_consoles_own_page() {
    let scene = Scene::new().await;
    let browser = Browser::sign_in(&scene).await;
    let path = format!("{HOME}/applications/shop/stop");
    let csrf = ("x-pluvio-csrf", browser.csrf.as_str());
    let post = |more: Vec<(&'static str, String)>| {
        let (scene, browser, path) = (&scene, &browser, &path);
        async move {
            let more: Vec<(&str, &str)> = more
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            browser
                .send(scene, Method::POST, path, &more, None)
                .await
                .status
                .as_u16()
        }
    };
    let own = browser.csrf.clone();
    assert_eq!(post(vec![]).await, 403);
    assert_eq!(
        post(vec![("x-pluvio-csrf", "0".repeat(own.len()))]).await,
        403
    );
    assert_eq!(
        post(vec![("x-pluvio-csrf", Browser::sign_in(&scene).await.csrf)]).await,
        403,
        "another session's"
    );
    for origin in [
        "http://evil.example",
        "http://shop.localhost:8080",
        "http://localhost:8080",
        "null",
    ] {
        assert_eq!(
            post(vec![
                ("x-pluvio-csrf", own.clone()),
                ("origin", origin.to_owned())
            ])
            .await,
            403,
            "{origin}"
        );
    }
    assert_eq!(
        post(vec![
            ("x-pluvio-csrf", own.clone()),
            ("origin", "http://localhost:7080".to_owned())
        ])
        .await,
        202
    );
    // A second cookie, which a neighbouring host planted: neither counts.
    let planted = [csrf, ("cookie", "pluvio_session=0000")];
    assert_eq!(
        browser
            .send(&scene, Method::GET, "/api/v1/session", &planted, None)
            .await
            .code(),
        "auth.required"
    );
    // Signing in is a change too: nobody is signed in as somebody else by a page of another site.
    let mut login = Scene::request(
        Method::POST,
        "/api/v1/session",
        "",
        Some(&json!({ "name": "a", "password": "b" })),
    );
    login
        .headers_mut()
        .insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    assert_eq!(scene.send(login).await.code(), "permission.denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_not_opened_by_a_page_of_another_site() {
    let scene = Scene::new().await;
    let browser = Browser::sign_in(&scene).await;
    let path = format!("{HOME}/applications/shop/instances/shop--web--1/exec");
    for (origin, status) in [("http://evil.example", 403), ("http://localhost:7080", 426)] {
        let more = [
            ("origin", origin),
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
        ];
        let answer = browser.send(&scene, Method::GET, &path, &more, None).await;
        // Without the rest of a handshake the right page is told that this is a WebSocket.
        assert_eq!(answer.status, status, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_ours_is_refused() {
    let scene = Scene::new().await;
    for (host, status) in [
        ("localhost:7080", 200),
        ("127.0.0.1:7080", 200),
        ("[::1]:7080", 200),
        ("evil.example:7080", 421),
        ("localhost.evil.example", 421),
    ] {
        for path in ["/api/v1/version", "/"] {
            let request = Request::builder().uri(path).header(header::HOST, host);
            let answer = scene.send(request.body(Body::empty()).unwrap()).await;
            let refused = answer.status == 421;
            assert_eq!(refused, status == 421, "{host}{path}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions_and_signing_out_ends_this_one() {
    let scene = Scene::new().await;
    let (this, other) = (
        Browser::sign_in(&scene).await,
        Browser::sign_in(&scene).await,
    );
    assert_eq!(
        this.set_password(&scene, None, "short").await.code(),
        "request.invalid"
    );
    assert_eq!(
        this.set_password(&scene, None, "four random words here")
            .await
            .status,
        204
    );
    assert!(this.is_signed_in(&scene).await && !other.is_signed_in(&scene).await);
    assert_eq!(
        this.set_password(&scene, None, "four other words here")
            .await
            .code(),
        "permission.denied"
    );
    assert_eq!(
        this.set_password(
            &scene,
            Some("four random words here"),
            "four other words here"
        )
        .await
        .status,
        204
    );
    let sign_in = json!({ "name": "owner", "password": "four other words here" });
    let third = scene
        .ask(Method::POST, "/api/v1/session", "", Some(&sign_in))
        .await;
    let third = Browser::of(&third);
    let csrf = [("x-pluvio-csrf", third.csrf.as_str())];
    assert_eq!(
        third
            .send(&scene, Method::DELETE, "/api/v1/session", &csrf, None)
            .await
            .status,
        204
    );
    assert!(!third.is_signed_in(&scene).await && this.is_signed_in(&scene).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let scene = Scene::new().await;
    let wrong = json!({ "name": "owner", "password": "is it this one?" });
    let guess = || scene.ask(Method::POST, "/api/v1/session", "", Some(&wrong));
    for _ in 0..5 {
        assert_eq!(guess().await.code(), "auth.invalid");
    }
    assert_eq!(guess().await.code(), "rate-limited");
    let link = json!({ "token": "is it this one?" });
    let guess = || scene.ask(Method::POST, "/api/v1/session/link", "", Some(&link));
    // All at once is no way around.
    let codes: Vec<String> = futures::future::join_all((0..20).map(|_| guess()))
        .await
        .iter()
        .map(Answer::code)
        .collect();
    assert_eq!(
        codes.iter().filter(|code| *code == "auth.link").count(),
        5,
        "{codes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_no_token() {
    let scene = Scene::new().await;
    let (row, text) = token(&scene.store, scene.store.home().owner, Role::Owner).await;
    let tokens = scene.ask(Method::GET, "/api/v1/tokens", &text, None).await;
    assert!(!tokens.text.contains(&text[10..]), "shown once");
    let path = format!("/api/v1/tokens/{}", row.id);
    assert_eq!(
        scene.ask(Method::DELETE, &path, &text, None).await.status,
        204
    );
    assert_eq!(
        scene.ask(Method::DELETE, &path, &text, None).await.code(),
        "auth.invalid"
    );
    assert_eq!(
        scene
            .ask(Method::DELETE, &path, &scene.owner, None)
            .await
            .code(),
        "not-found"
    );
}

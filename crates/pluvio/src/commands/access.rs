//! Who I am and where: login, tokens, sign-in links, credentials.

use std::path::Path;

use pluvio_api::applications::Page;
use pluvio_api::identity::*;
use pluvio_model::problem;

use super::Done;
use crate::context::{Context, Login, escape};

pub(crate) async fn login(
    context: &Context,
    url: &str,
    token: Option<&str>,
    ca: Option<&Path>,
) -> Done {
    // A wrong address is told before anybody types a token.
    Login::to(url, String::new(), ca)?;
    let token = match token {
        Some(token) => token.to_owned(),
        None => super::change::read_stdin()?,
    };
    let login = Login::to(url, token.trim().to_owned(), ca)?;
    let client = login.clone().client()?;
    let session: Session = client.get("/api/v1/session").await?;
    let address = client.address().to_string();
    login.write().map_err(|e| {
        problem::REFUSED.problem(
            format!("{} cannot be written: {e}.", Login::file().display()),
            "Check the folder's permissions.",
        )
    })?;
    if context.out.json {
        context
            .out
            .document(&serde_json::json!({ "server": address, "user": session.user.name }));
    } else {
        context
            .out
            .line(format!("Signed in to {address} as {}.", session.user.name));
    }
    Ok(())
}

pub(crate) fn logout(context: &Context) -> Done {
    let _ = std::fs::remove_file(Login::file());
    if context.out.json {
        context.out.document(&serde_json::json!({ "server": null }));
    } else {
        context
            .out
            .line("Signed out. Commands use the Pluvio of this machine again.");
    }
    Ok(())
}

pub(crate) async fn whoami(context: &Context) -> Done {
    let client = context.client()?;
    let session: Session = client.get("/api/v1/session").await?;
    if context.out.json {
        context.out.document(&serde_json::json!({ "user": session.user.name, "team": session.team, "environment": session.environment, "server": client.address().to_string(), "permissions": session.permissions }));
    } else {
        context.out.line(format!(
            "{}, team {}, environment {}, at {}",
            session.user.name,
            session.team,
            session.environment,
            client.address()
        ));
    }
    Ok(())
}

pub(crate) async fn signin_link(context: &Context) -> Done {
    let link: SigninLink = context.client()?.post("/api/v1/signin-links", &()).await?;
    if context.out.json {
        context.out.document(&link);
    } else {
        context.out.line(&link.url);
        context.out.say("Works once, for fifteen minutes.");
    }
    Ok(())
}

pub(crate) async fn token_create(context: &Context, name: &str, role: Option<&str>) -> Done {
    let created: TokenCreated = context
        .client()?
        .post(
            "/api/v1/tokens",
            &TokenRequest {
                name: name.to_owned(),
                role: role.map(str::to_owned),
            },
        )
        .await?;
    if context.out.json {
        context.out.document(&created);
    } else {
        context.out.line(&created.value);
        context
            .out
            .say("Shown this once. Revoke it with `pluvio token revoke ID`.");
    }
    Ok(())
}

pub(crate) async fn token_list(context: &Context) -> Done {
    let page: Page<TokenSummary> = context.client()?.get("/api/v1/tokens").await?;
    if context.out.json {
        context.out.document(&page.items);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = page
        .items
        .iter()
        .map(|t| {
            vec![
                t.name.clone(),
                t.role.clone(),
                crate::output::ago(t.created_at),
                t.used_at.map_or("never".into(), crate::output::ago),
                t.id.clone(),
            ]
        })
        .collect();
    context
        .out
        .table(&["NAME", "ROLE", "MADE", "LAST USED", "ID"], &rows);
    Ok(())
}

pub(crate) async fn token_revoke(context: &Context, id: &str) -> Done {
    context
        .client()?
        .delete::<()>(&format!("/api/v1/tokens/{}", escape(id)))
        .await?;
    if context.out.json {
        context.out.document(&serde_json::json!({ "revoked": id }));
    }
    Ok(())
}

pub(crate) async fn credential_list(context: &Context) -> Done {
    let page: Page<CredentialSummary> = context
        .client()?
        .get(&format!(
            "/api/v1/teams/{}/credentials",
            escape(&context.global.team)
        ))
        .await?;
    if context.out.json {
        context.out.document(&page.items);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = page
        .items
        .iter()
        .map(|c| {
            vec![
                c.name.clone(),
                c.kind.clone(),
                c.host.clone(),
                c.username.clone().unwrap_or_default(),
                crate::output::ago(c.set_at),
            ]
        })
        .collect();
    context
        .out
        .table(&["NAME", "KIND", "HOST", "USER", "SET"], &rows);
    Ok(())
}

pub(crate) async fn credential_set(
    context: &Context,
    name: &str,
    kind: &str,
    host: &str,
    username: Option<&str>,
) -> Done {
    let mut secret = super::change::read_stdin()?;
    if kind == "git-ssh" && !secret.ends_with('\n') {
        // OpenSSH refuses a key whose last line is not ended.
        secret.push('\n');
    }
    let request = CredentialRequest {
        kind: kind.to_owned(),
        host: host.to_owned(),
        username: username.map(str::to_owned),
        secret,
    };
    let path = format!(
        "/api/v1/teams/{}/credentials/{}",
        escape(&context.global.team),
        escape(name)
    );
    let row: CredentialSummary = context
        .client()?
        .call(http::Method::PUT, &path, Some(&request))
        .await?;
    if context.out.json {
        context.out.document(&row);
    } else {
        context.out.line(format!(
            "{} is stored, sealed; it is used for {}.",
            row.name, row.host
        ));
    }
    Ok(())
}

pub(crate) async fn credential_remove(context: &Context, name: &str) -> Done {
    context
        .client()?
        .delete::<()>(&format!(
            "/api/v1/teams/{}/credentials/{}",
            escape(&context.global.team),
            escape(name)
        ))
        .await?;
    if context.out.json {
        context
            .out
            .document(&serde_json::json!({ "removed": name }));
    }
    Ok(())
}

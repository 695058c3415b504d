//! How a component is built: whether the keys fit together, and what they name.

use std::collections::BTreeSet;

use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::spec::{AppSpec, BuildContext, BuildSpec, BuilderChoice, ComponentSpec};

use super::component::leaves_the_source;
use super::references::unknown_secret;
use super::{Found, names};

pub(super) fn check(path: &str, name: &Name, build: &BuildSpec, found: &mut Found) {
    let dockerfile = matches!(
        build.builder,
        BuilderChoice::Auto | BuilderChoice::Dockerfile
    );
    for (key, present) in [
        ("dockerfile", build.dockerfile.is_some()),
        ("dockerfileText", build.dockerfile_text.is_some()),
        ("target", build.target.is_some()),
        ("args", !build.args.is_empty()),
        ("ssh", !build.ssh.is_empty()),
        ("contexts", !build.contexts.is_empty()),
    ] {
        if present && !dockerfile {
            found.conflict(
                format!("{path}.build.{key}"),
                format!("`{key}` is for Dockerfiles, and another builder is chosen."),
                format!("Remove `{key}`, or write `builder: dockerfile`."),
            );
        }
    }
    if build.dockerfile.is_some() && build.dockerfile_text.is_some() {
        found.conflict(
            format!("{path}.build.dockerfileText"),
            "It has a Dockerfile as a file and another as text.",
            "Remove one of them.",
        );
    }
    if build.builder == BuilderChoice::Dockerfile {
        for (key, present) in [
            ("command", build.command.is_some()),
            ("output", build.output.is_some()),
            ("version", build.version.is_some()),
        ] {
            if present {
                found.conflict(
                    format!("{path}.build.{key}"),
                    format!("`{key}` has no effect with a Dockerfile."),
                    format!("Remove `{key}`, or choose another builder."),
                );
            }
        }
    }
    for (key, value) in [("output", &build.output), ("dockerfile", &build.dockerfile)] {
        if let Some(value) = value
            && leaves_the_source(value)
        {
            found.invalid(
                format!("{path}.build.{key}"),
                format!("`{value}` is outside of the source."),
                "Write a path relative to the source's folder, without `..`.",
            );
        }
    }
    for id in build.ssh.keys().filter(|id| !is_id(id)) {
        found.invalid(
            format!("{path}.build.ssh.{id}"),
            format!("`{id}` is no id of a mount."),
            "Write letters, digits, `_`, `.` and `-`; `default` is the mount that names none.",
        );
    }
    contexts(path, name, build, found);
}

/// An id stands between commas in a line of the Dockerfile.
fn is_id(id: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !id.is_empty() && id.len() <= 128 && id.chars().all(known)
}

fn contexts(path: &str, name: &Name, build: &BuildSpec, found: &mut Found) {
    let mut seen: Vec<ImageReference> = Vec::new();
    for (context, from) in &build.contexts {
        let path = format!("{path}.build.contexts.{context}");
        // Names as of images: `base`, `alpine:3`, of which `docker.io/library/alpine:3` is another form.
        match context.parse::<ImageReference>() {
            Ok(reference) if seen.contains(&reference) => found.conflict(
                &path,
                format!("Another context is called `{context}` in another form."),
                "Remove one of them.",
            ),
            Ok(reference) => seen.push(reference),
            Err(error) => found.invalid(
                &path,
                format!("{error}."),
                "Name it as a stage or an image is named: `base`, `alpine:3`.",
            ),
        }
        let target = build.target.as_deref();
        if target.is_some_and(|target| target.eq_ignore_ascii_case(context)) {
            found.conflict(
                &path,
                format!("It takes the place of the stage `{context}`, which is the target."),
                "Name another stage as `target`, or call the context otherwise.",
            );
        }
        match from {
            BuildContext::Folder(folder) if leaves_the_source(folder) => found.invalid(
                &path,
                format!("`{folder}` is outside of the source."),
                "Write a path from the source's root, without `..`.",
            ),
            BuildContext::Component(other) if other == name => found.conflict(
                &path,
                "A component cannot be built from its own image.",
                "Name another component, or a stage of the Dockerfile.",
            ),
            _ => {}
        }
    }
}

/// The secrets and components that a build names.
pub(super) fn references(path: &str, spec: &AppSpec, component: &ComponentSpec, found: &mut Found) {
    let Some(build) = &component.build else {
        return;
    };
    let listed = build.secrets.iter().enumerate();
    let listed = listed.map(|(index, secret)| (format!("secrets[{index}]"), secret));
    let keys = build.ssh.iter();
    let keys = keys.map(|(id, secret)| (format!("ssh.{id}"), secret));
    for (at, secret) in listed.chain(keys) {
        if !spec.secrets.contains_key(secret) {
            unknown_secret(&format!("{path}.build.{at}"), spec, secret, found);
        }
    }
    for (context, other) in build.components() {
        let path = format!("{path}.build.contexts.{context}");
        match spec.components.get(other) {
            None => found.unknown(
                path,
                "component",
                other.as_str(),
                names(&spec.components),
                "declare it under `components`",
            ),
            Some(other) if other.source.is_none() && other.image.is_none() => found.conflict(
                path,
                "That component has neither a source nor an image to take files from.",
                "Name one that is built or runs an image, or write `docker-image://IMAGE`.",
            ),
            Some(_) => {}
        }
    }
}

/// One image is made before another is made from it, so that order must have a beginning. The first circle found is reported.
pub(super) fn circle(spec: &AppSpec, found: &mut Found) {
    for start in spec.components.keys() {
        let mut seen: BTreeSet<&Name> = BTreeSet::new();
        let mut waiting: Vec<&Name> = made_from(spec, start);
        while let Some(next) = waiting.pop() {
            if next == start && !made_from(spec, start).contains(&start) {
                found.conflict(
                    format!("components.{start}.build.contexts"),
                    format!("`{start}` is built from images that are built from `{start}`."),
                    "Remove one of these contexts; what both need can be a component of its own.",
                );
                return;
            }
            if seen.insert(next) {
                waiting.extend(made_from(spec, next));
            }
        }
    }
}

fn made_from<'s>(spec: &'s AppSpec, name: &Name) -> Vec<&'s Name> {
    let build = spec.components.get(name).and_then(|c| c.build.as_ref());
    let others = build.into_iter().flat_map(BuildSpec::components);
    others.map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    #[test]
    fn what_a_build_names_is_there_and_leads_in_no_circle() {
        let (_, problems) = crate::app::check(
            "
name: shop
components:
  web:
    source: { path: . }
    build:
      builder: dockerfile
      target: base
      ssh: { default: KEY, 'a,b': OTHER }
      contexts:
        base: ../above
        alpine:3: docker-image://alpine:3.20
        docker.io/library/alpine:3: shared
        self: component:web
        api: component:api
        none: component:none
        outside: component:outside
        Upper: shared
  api:
    source: { path: api }
    build: { contexts: { web: component:web } }
  outside: { kind: external, external: { addresses: [a.example] }, ports: { db: { port: 5432, protocol: tcp } } }
  page: { source: { path: . }, build: { builder: static, ssh: { default: KEY } } }
secrets: { KEY: {} }
",
            "app.yaml",
        );
        let mut shown: Vec<String> = problems
            .iter()
            .map(|problem| {
                let path = problem.at.clone().unwrap_or_default().path;
                format!("{path} {}\n", problem.code)
            })
            .collect();
        shown.sort();
        expect![[r#"
            components.api.build.contexts spec.conflict
            components.page.build.ssh spec.conflict
            components.web.build.contexts.Upper spec.invalid
            components.web.build.contexts.base spec.conflict
            components.web.build.contexts.base spec.invalid
            components.web.build.contexts.docker.io/library/alpine:3 spec.conflict
            components.web.build.contexts.none spec.unknown-reference
            components.web.build.contexts.outside spec.conflict
            components.web.build.contexts.self spec.conflict
            components.web.build.ssh.a,b spec.invalid
            components.web.build.ssh.a,b spec.unknown-reference
        "#]]
        .assert_eq(&shown.concat());
    }
}

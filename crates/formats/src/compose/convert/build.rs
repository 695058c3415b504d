//! `image` and `build`.

use pluvio_model::name::EnvName;
use pluvio_model::problem;
use pluvio_model::spec::{BuildSpec, BuilderChoice, GitSource, SourceSpec};

use super::super::Entry;
use super::super::item::{Fields, Place, Taken};
use super::super::rebase::join;
use super::Convert;
use super::making::Making;

impl Convert<'_> {
    pub(super) fn image_and_build(&mut self, fields: &mut Fields, making: &mut Making, at: Place) {
        let image = fields.take("image");
        let build = fields.take("build");
        if let Some(image) = &image {
            if build.is_some() {
                let text = image.item.as_text().unwrap_or_default();
                if let Ok(reference) = text.trim().parse() {
                    let builder = self.built.entry(reference);
                    builder.or_insert_with(|| making.name.clone());
                }
                self.told.ignored(
                    image.at,
                    &image.path,
                    "What is built here is named by Pluvio; nothing is pushed under this name.",
                );
            } else if let Some(text) = self.text(image) {
                match text.trim().parse() {
                    Ok(reference) => {
                        making.component.image = Some(reference);
                        let place = (making.name.clone(), image.at, image.path.clone());
                        self.named_images.push(place);
                    }
                    Err(error) => self.told.invalid(
                        image.at,
                        &image.path,
                        format!("{error}."),
                        "Write an image such as nginx:1.29 or registry.example/team/app:1.",
                    ),
                }
            }
        }
        match &build {
            Some(build) => self.build(build, making),
            // Where what it extends could not be read, that is said, and is why.
            None if image.is_none()
                && self.told.has_error_at(&format!("{}.extends", fields.path)) => {}
            None if image.is_none() => self.told.error(
                problem::SOURCE_MISSING,
                at,
                &fields.path,
                format!(
                    "{} has neither an `image` nor a `build`, so there is nothing to run.",
                    making.service
                ),
                "Add one of them.",
            ),
            None => {}
        }
    }

    /// Once all services are known: who names an image that another one builds runs what is built, as with compose, whose
    /// engine has it under that name. No registry need have it.
    pub(super) fn build_what_others_name(&mut self) {
        for (name, at, path) in std::mem::take(&mut self.named_images) {
            let image = self.spec.components.get(&name);
            let image = image.and_then(|component| component.image.as_ref());
            let Some(builder) = image.and_then(|image| self.built.get(image)) else {
                continue;
            };
            let built = self.spec.components.get(builder);
            let built = built.map(|built| (built.source.clone(), built.build.clone()));
            // What cannot be built has an error of its own.
            let Some((Some(source), build)) = built else {
                continue;
            };
            let Some(component) = self.spec.components.get_mut(&name) else {
                continue;
            };
            component.image = None;
            component.source = Some(source);
            component.build = build;
            self.told.adapted(
                at,
                &path,
                format!(
                    "It is what {builder} builds: built for this one too, and pulled from nowhere."
                ),
            );
        }
    }

    fn build(&mut self, build: &Taken, making: &mut Making) {
        let mut inner = Fields::new(build.path.clone(), build.item);
        let context = inner.take("context");
        let mut folder = match &context {
            Some(taken) => self.text(taken).unwrap_or_default(),
            None => self.folder.to_owned(),
        };
        let repository = repository(&folder);
        let mut spec = BuildSpec {
            builder: BuilderChoice::Dockerfile,
            ..BuildSpec::default()
        };
        let dockerfile = inner.take("dockerfile");
        let asked = dockerfile.as_ref().and_then(|taken| self.text(taken));
        if let Some(text) = inner.take("dockerfile_inline") {
            spec.dockerfile_text = self.text(&text);
        }
        if let Some(address) = &repository {
            making.component.source = Some(SourceSpec::Git(GitSource::of(address)));
            spec.dockerfile = asked.filter(|path| path != "Dockerfile");
        } else {
            folder = join("", &folder);
            let mut file = asked.unwrap_or_else(|| "Dockerfile".to_owned());
            let whole = join(&folder, &file);
            if !self.is_inside(&folder, build.at, &build.path) {
                return;
            }
            // A Dockerfile beside the context: then the folder above both is the context's source, which it may not be.
            let below = folder == "." || whole.starts_with(&format!("{folder}/"));
            if !below && spec.dockerfile_text.is_none() {
                match self.around.entry(&whole) {
                    Entry::Text(text) => {
                        self.told.adapted(
                            dockerfile.as_ref().map_or(build.at, |taken| taken.at),
                            &format!("{}.dockerfile", build.path),
                            format!("{whole} is outside of the context: its text is taken into the specification."),
                        );
                        spec.dockerfile_text = Some(text);
                    }
                    _ => self.told.error(
                        problem::BUILD_DOCKERFILE_MISSING,
                        build.at,
                        &format!("{}.dockerfile", build.path),
                        format!("There is no file {whole} that could be read."),
                        "Put it into the context, or correct the path.",
                    ),
                }
            } else if folder != "." {
                file = whole
                    .strip_prefix(&format!("{folder}/"))
                    .unwrap_or(&whole)
                    .to_owned();
            } else {
                file = whole;
            }
            if spec.dockerfile_text.is_none() && (file != "Dockerfile" || dockerfile.is_some()) {
                spec.dockerfile = Some(file);
            }
            making.component.source = Some(SourceSpec::Path(folder));
        }
        if let Some(target) = inner.take("target") {
            spec.target = self.text(&target).filter(|text| !text.is_empty());
        }
        if let Some(args) = inner.take("args") {
            for (key, field) in args.item.as_map().into_iter().flatten() {
                let value = match field.item.as_text() {
                    Some(text) => text.to_owned(),
                    None => match self.variables.0.get(key) {
                        Some(value) => value.clone(),
                        None => {
                            self.told.advised(
                                field.at,
                                &format!("{}.{key}", args.path),
                                "Without a value it would be taken from the shell that runs compose; it is left out.",
                                format!("Write `{key}=…` into the `.env` beside the file, or a value here."),
                            );
                            continue;
                        }
                    },
                };
                spec.args.insert(key.clone(), value);
            }
        }
        if let Some(secrets) = inner.take("secrets") {
            for item in secrets.item.items() {
                let source = match item.as_text() {
                    Some(text) => Some(text.to_owned()),
                    None => {
                        let mut fields = Fields::new(secrets.path.clone(), item);
                        let source = fields.take("source").and_then(|taken| self.text(&taken));
                        for key in ["target", "uid", "gid", "mode"] {
                            if let Some(taken) = fields.take(key) {
                                self.told.refused(
                                    taken.at,
                                    &taken.path,
                                    "A secret of a build is a file of its own name under /run/secrets, for root.",
                                    "Read it by that name.",
                                );
                            }
                        }
                        fields.finish(&mut self.told, &[]);
                        source
                    }
                };
                let Some(source) = source else { continue };
                if let Some(name) = self.declared_secret(&source, item.at, &secrets.path) {
                    spec.secrets.push(name);
                }
            }
        }
        if let Some(ssh) = inner.take("ssh") {
            spec.ssh = self.ssh(&ssh, &making.service);
        }
        if let Some(contexts) = inner.take("additional_contexts") {
            spec.contexts = self.contexts(&contexts, repository.is_some());
        }
        for (key, message) in [
            ("tags", "What is built here is named by Pluvio."),
            ("labels", "Labels of an image have no effect on what runs."),
            ("cache_from", "Pluvio keeps its builds' layers itself."),
            ("cache_to", "Pluvio keeps its builds' layers itself."),
            (
                "no_cache",
                "A step runs again when what it depends on changed.",
            ),
            (
                "pull",
                "Base images are looked for when they are not there.",
            ),
            ("provenance", "Pluvio records how an image was made."),
            ("sbom", "Pluvio makes a bill of materials of each image."),
            ("platforms", "Images are built for the machine they run on."),
        ] {
            if let Some(taken) = inner.take(key) {
                self.told.ignored(taken.at, &taken.path, message);
            }
        }
        for (key, message) in [
            ("network", "Builds have a network of their own."),
            ("extra_hosts", "Builds resolve names as the machine does."),
            ("privileged", "Builds have no privileges of the machine."),
            ("entitlements", "Builds have no privileges of the machine."),
            ("shm_size", "Builds have the usual size of /dev/shm."),
            ("ulimits", "Builds have the usual limits."),
            ("isolation", "It is for Windows."),
        ] {
            if let Some(taken) = inner.take(key) {
                self.told.refused(
                    taken.at,
                    &taken.path,
                    message,
                    "Write the Dockerfile so that it needs none, or build the image elsewhere and name it by `image`.",
                );
            }
        }
        inner.finish(
            &mut self.told,
            &[
                "context",
                "dockerfile",
                "args",
                "target",
                "secrets",
                "ssh",
                "additional_contexts",
                "dockerfile_inline",
            ],
        );
        making.component.build = Some(spec);
    }

    /// Whether a folder is in what is deployed. One that is not is told, and how far above it is.
    pub(super) fn is_inside(&mut self, folder: &str, at: Place, path: &str) -> bool {
        let above = folder.split('/').take_while(|part| *part == "..").count();
        self.above = self.above.max(above);
        let absolute = folder.starts_with(['/', '~']);
        if above == 0 && !absolute {
            return true;
        }
        let remedy = match absolute {
            true => "Write it relative to the file's folder, such as `..` or `../api`.".to_owned(),
            false => self.around.outside(),
        };
        self.told.error(
            problem::SPEC_UNSUPPORTED,
            at,
            path,
            format!("The context {folder} is outside of the folder that is deployed."),
            remedy,
        );
        false
    }

    /// A secret of the file's, as one of the application's.
    pub(super) fn declared_secret(
        &mut self,
        source: &str,
        at: Place,
        path: &str,
    ) -> Option<EnvName> {
        self.used.insert(("secrets", source.to_owned()));
        let Ok(name) = source.parse::<EnvName>() else {
            self.told.refused(
                at,
                path,
                format!("`{source}` is not a name of a secret."),
                "Write letters, digits, _, - and dots.",
            );
            return None;
        };
        if self.spec.secrets.contains_key(&name) {
            return Some(name);
        }
        let declared = self.secrets.get(source).cloned();
        let Some(declared) = declared else {
            self.told.advised(
                at,
                path,
                format!(
                    "The secret {source} is not declared; it must be set before the first deploy."
                ),
                format!("Set it: `pluvio secret set {source}`."),
            );
            self.secret(&name, Default::default());
            return Some(name);
        };
        let from = declared.item.clone();
        let shown = format!("secrets.{source}");
        let value = if let Some(file) = from.get("file").and_then(|item| item.as_text()) {
            match self.around.entry(&join("", file)) {
                Entry::Text(text) => Some(text),
                _ => {
                    self.told.advised(
                        declared.at,
                        &shown,
                        format!(
                            "There is no file {file} that could be read: the secret must be set."
                        ),
                        format!("Set it: `pluvio secret set {source}`."),
                    );
                    None
                }
            }
        } else if let Some(variable) = from.get("environment").and_then(|item| item.as_text()) {
            let value = self.variables.0.get(variable).cloned();
            if value.is_none() {
                self.told.advised(
                    declared.at,
                    &shown,
                    format!("The variable {variable} is not set: the secret must be."),
                    format!("Set it: `pluvio secret set {source}`."),
                );
            }
            value
        } else {
            from.get("content")
                .and_then(|item| item.as_text())
                .map(str::to_owned)
        };
        if let Some(value) = value {
            self.told.adapted(
                declared.at,
                &shown,
                "Its value is sealed with the first deploy, and is no part of the specification.",
            );
            self.secret_values.insert(source.to_owned(), value);
        }
        self.secret(&name, Default::default());
        Some(name)
    }
}

/// The address of a repository, where a context is one.
pub(super) fn repository(context: &str) -> Option<String> {
    if let Some(rest) = context.strip_prefix("github.com/") {
        return Some(format!("https://github.com/{rest}"));
    }
    let known = ["https://", "http://", "git://", "ssh://", "git@"];
    let is_one = known.iter().any(|start| context.starts_with(start));
    is_one.then(|| context.to_owned())
}

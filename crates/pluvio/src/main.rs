//! `pluvio`: server, node and client in one binary. This file is the table of contents; `cli` parses, `commands` acts,
//! `roles` serves.

mod cli;
mod commands;
mod config;
mod context;
mod gateway;
mod output;
mod pack;
mod roles;

use std::process::ExitCode;

use clap::Parser;
use cli::*;
use commands::{
    Done, access, apps, audit, change, cluster, database, declare, deploy, environment, events,
    follow, history, images, instances, plan, reference, runs, scale, topology, uninstall, up,
    volumes,
};
use context::Context;
use pluvio_model::problem::{self, Problem};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "hand") {
        // In a container of the node's: nothing else is there, nor needed.
        return pluvio_node::hand::run(arguments);
    }
    let cli = Cli::parse_from(as_here(std::env::args_os()));
    let context = Context::new(cli.global.clone());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            context.out.problem(&problem::INTERNAL.problem(
                format!("The runtime does not start: {error}."),
                "Check the limits on threads and open files.",
            ));
            return ExitCode::FAILURE;
        }
    };
    let serving = matches!(cli.command, Command::Server(_) | Command::Gateway(_));
    let outcome = runtime.block_on(Box::pin(run(&context, cli.command)));
    // A read of stdin that nobody answers must not hold the end up.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            if serving {
                // Whoever started it (`up`, systemd) reads the last line of the log.
                eprintln!(
                    "{}",
                    serde_json::to_string(&problem).expect("a problem serialises")
                );
            } else {
                context.out.problem(&problem);
            }
            ExitCode::from(problem.exit() as u8)
        }
    }
}

async fn run(context: &Context, command: Command) -> Done {
    match command {
        Command::Up(args) => up::up(context, &args).await,
        Command::Down { node } => up::down(context, node).await,
        Command::Uninstall {
            delete_data,
            keep_bases,
            yes,
        } => uninstall::uninstall(context, &delete_data, keep_bases, yes).await,
        Command::Server(args) => serve(context, args).await,
        Command::Gateway(args) => {
            begin_log();
            gateway::run(args).await
        }
        Command::Doctor => apps::doctor(context, async || local_checks(context).await).await,
        Command::Plan(args) => plan::plan(context, &args).await,
        Command::Init { folder, force } => deploy::init(context, &folder, force),
        Command::Deploy(args) => deploy::deploy(context, &args).await,
        Command::Apply(args) => declare::apply(context, &args).await,
        Command::Diff(args) => declare::diff(context, &args.file).await,
        Command::Export { to } => declare::export(context, &to).await,
        Command::Apps => apps::apps(context).await,
        Command::Status => apps::status(context).await,
        Command::Open => apps::open(context).await,
        Command::Logs(args) => apps::logs(context, &args).await,
        Command::Database(command) => database::run(context, &command).await,
        Command::Exec(args) => instances::exec(context, &args).await,
        Command::PortForward { ports, instance } => {
            instances::port_forward(context, &ports, instance.as_deref()).await
        }
        Command::Scale(args) => scale::scale(context, &args).await,
        Command::Events(args) => events::list(context, &args).await,
        Command::Runs { component } => runs::list(context, component.as_deref()).await,
        Command::Trigger { component } => runs::trigger(context, &component).await,
        Command::Restart(chosen) => environment::batch(context, "restart", &chosen).await,
        Command::Start(chosen) => environment::batch(context, "start", &chosen).await,
        Command::Stop(chosen) => environment::batch(context, "stop", &chosen).await,
        Command::Redeploy(args) => environment::redeploy(context, &args).await,
        Command::Copy(args) => environment::copy(context, &args).await,
        Command::Promote(args) => environment::promote(context, &args).await,
        Command::Environment(command) => environment::run(context, &command).await,
        Command::Delete { yes } => change::delete(context, yes).await,
        Command::Config {
            command: None | Some(ConfigCommand::List),
        } => change::config_list(context).await,
        Command::Config {
            command: Some(ConfigCommand::Set(args)),
        }
        | Command::ConfigSet(args) => {
            change::config_set(context, &args.pairs, args.component.as_deref()).await
        }
        Command::Config {
            command: Some(ConfigCommand::Get(args)),
        }
        | Command::ConfigGet(args) => {
            change::config_get(context, &args.name, args.component.as_deref()).await
        }
        Command::Config {
            command: Some(ConfigCommand::Unset(args)),
        }
        | Command::ConfigUnset(args) => {
            change::config_unset(context, &args.names, args.component.as_deref()).await
        }
        Command::Config {
            command: Some(ConfigCommand::Import { file }),
        } => change::config_import(context, &file).await,
        Command::Secret { command } => match command {
            SecretCommand::List => change::secret_list(context).await,
            SecretCommand::Set { name, value } => {
                change::secret_set(context, &name, value.as_deref()).await
            }
            SecretCommand::Remove { name } => change::secret_remove(context, &name).await,
        },
        Command::Volume { command } => volumes::run(context, &command).await,
        Command::Route => apps::routes(context).await,
        Command::Topology(args) => topology::topology(context, &args).await,
        Command::Releases { command } => match command {
            None | Some(ReleasesCommand::List) => history::list(context).await,
            Some(ReleasesCommand::Diff { from, to }) => history::diff(context, &from, &to).await,
            Some(ReleasesCommand::Show { number }) => history::show(context, &number).await,
        },
        Command::Rollback { to } => change::rollback(context, to.as_deref()).await,
        Command::Operations => apps::operations(context).await,
        Command::Operation { command } => match command {
            OperationCommand::Show { id } => follow::show(context, &id).await,
            OperationCommand::Follow { id } => follow::follow_one(context, &id).await,
            OperationCommand::Cancel { id } => follow::cancel(context, &id).await,
        },
        Command::Credential { command } => match command {
            CredentialCommand::List => access::credential_list(context).await,
            CredentialCommand::Set {
                name,
                kind,
                host,
                username,
            } => access::credential_set(context, &name, &kind, &host, username.as_deref()).await,
            CredentialCommand::Remove { name } => access::credential_remove(context, &name).await,
        },
        Command::Audit {
            command: Some(audit::AuditCommand::Verify),
            ..
        } => audit::verify(context).await,
        Command::Audit {
            args,
            command: None,
        }
        | Command::Audit {
            command: Some(audit::AuditCommand::List(args)),
            ..
        } => audit::list(context, &args).await,
        Command::Token { command } => match command {
            TokenCommand::Create { name, role } => {
                access::token_create(context, &name, role.as_deref()).await
            }
            TokenCommand::List => access::token_list(context).await,
            TokenCommand::Revoke { id } => access::token_revoke(context, &id).await,
        },
        Command::Login { url, token, ca } => {
            access::login(context, &url, token.as_deref(), ca.as_deref()).await
        }
        Command::Logout => access::logout(context),
        Command::Whoami => access::whoami(context).await,
        Command::SigninLink => access::signin_link(context).await,
        Command::Cluster { command } => cluster::run(context, command).await,
        Command::Images { command } => images::run(context, command).await,
        Command::Explain { what } => reference::explain(context, what.as_deref()),
        Command::Schema { what } => reference::schema(context, &what),
        Command::Completion { shell } => reference::completion(context, &shell),
        Command::Version => reference::version(context).await,
    }
}

async fn local_checks(context: &Context) -> pluvio_api::platform::DoctorReport {
    let flags = UpArgs::default();
    let (engine, ports) = match config::Config::read(&context.data, &flags) {
        Ok(config) => (
            config.engine.value.clone(),
            vec![config.public(), config.gateway(), config.operations()],
        ),
        Err(_) => (None, Vec::new()),
    };
    pluvio_server::doctor::examine(&context.data, engine.as_deref(), &ports).await
}

fn begin_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PLUVIO_LOG")
        .unwrap_or_else(|_| "info,sqlx=warn,hyper=warn,kube_client=off".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

async fn serve(context: &Context, args: ServerArgs) -> Result<(), Problem> {
    let config = config::Config::read(&context.data, &args.up)?;
    if args.print_config {
        context.out.document(&config);
        return Ok(());
    }
    begin_log();
    let (mut control, mut node, mut registry) = (false, false, false);
    for role in &args.roles {
        match role.as_str() {
            "control" | "api" | "worker" | "builder" => control = true,
            "node" => node = true,
            "registry" => registry = true,
            other => {
                return Err(problem::REQUEST_INVALID.problem(
                    format!("There is no role {other:?}."),
                    "The roles are control (api, worker, builder), node and registry.",
                ));
            }
        }
    }
    std::fs::create_dir_all(config.data.join("node")).map_err(|e| {
        problem::CONFIG_INVALID.problem(
            format!("{} cannot be made: {e}.", config.data.display()),
            "Name another data folder with --data.",
        )
    })?;
    roles::run(
        config,
        roles::Roles {
            control,
            node,
            registry,
        },
    )
    .await
}

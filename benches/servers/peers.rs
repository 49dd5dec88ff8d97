//! The servers that are compared: programs that are started for each run, and servers that run somewhere already.

use crate::Outcome;
use crate::control::Control;
use crate::options::Options;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The name of the server that this repository builds.
pub(crate) const MILLSTREAM: &str = "millstream";

/// Where a server comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A program that takes redis-server's arguments.
    Started(PathBuf),
    /// It runs already, and is another's: it must be empty, and is so again afterwards.
    Running(SocketAddr),
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) version: String,
}

impl Peer {
    /// Whether it is this repository's, perhaps another build given under another name, started here.
    pub(crate) fn is_millstream(&self) -> bool {
        self.is_started() && (self.name == MILLSTREAM || self.version.starts_with(MILLSTREAM))
    }

    /// Whether each run gets a server of its own, with the settings that the case wants.
    pub(crate) fn is_started(&self) -> bool {
        matches!(self.origin, Origin::Started(_))
    }
}

/// Millstream, redis-server, valkey-server if there is one, and those that were given. The order is that of the runs.
pub(crate) fn find_peers(options: &Options) -> Outcome<Vec<Peer>> {
    let mut programs: Vec<(String, PathBuf)> = Vec::new();
    if !options.no_millstream {
        programs.push((MILLSTREAM.to_owned(), env!("CARGO_BIN_EXE_millstream").into()));
    }
    for (name, program) in [("redis", "redis-server"), ("valkey", "valkey-server")] {
        programs.extend(find_in_path(program).map(|path| (name.to_owned(), path)));
    }
    for (name, path) in &options.peers {
        match programs.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = path.clone(),
            None => programs.push((name.clone(), path.clone())),
        }
    }
    // Those that are given by address take the place of those of the same name.
    programs.retain(|(name, _)| options.addresses.iter().all(|(given, _)| given != name));
    let mut peers = Vec::new();
    for (name, path) in programs {
        let version = read_version(&path)?;
        peers.push(Peer { name, origin: Origin::Started(path), version });
    }
    for (name, address) in &options.addresses {
        let address = address
            .to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .ok_or_else(|| format!("--address {name}={address}: no such host and port"))?;
        let version = ask_version(address).map_err(|error| format!("{name} at {address}: {error}"))?;
        peers.push(Peer { name: name.clone(), origin: Origin::Running(address), version });
    }
    if peers.is_empty() {
        return Err("no server to measure: redis-server is not in PATH and no other was given".into());
    }
    Ok(peers)
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn read_version(path: &Path) -> Outcome<String> {
    let output = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

fn ask_version(address: SocketAddr) -> Outcome<String> {
    let mut control = Control::connect(address)?;
    let version = control.read_info("server", "redis_version")?;
    Ok(format!("says it is version {version}"))
}

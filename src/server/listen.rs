//! Sockets: one listener per event loop on the same port, so that the kernel spreads connections
//! and no lock is shared.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// What the kernel keeps for a client that has not taken it yet, in bytes. It calls a connection
/// writable when a third of that is free: with the megabytes that it would take for itself, a slow
/// client looks like one that has stopped reading.
const SEND_BUFFER: usize = 256 * 1024;
/// A client that has said nothing for so long is asked by the kernel whether it is still there: one
/// that lost its power or its network never closes its connection.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The listeners of a gateway.
#[derive(Debug)]
pub(super) struct Listeners {
    /// Where they listen.
    pub(super) address: SocketAddr,
    /// For each event loop, its listeners: `localhost` may mean two addresses.
    pub(super) per_thread: Vec<Vec<TcpListener>>,
}

/// Binds every address that `host` means, `threads` times.
pub(super) fn bind(host: &str, port: u16, threads: usize) -> io::Result<Listeners> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.dedup();
    let mut per_thread: Vec<Vec<TcpListener>> = (0..threads.max(1)).map(|_| Vec::new()).collect();
    let mut first: Option<SocketAddr> = None;
    let mut problem = None;
    for mut address in addresses {
        if let Some(first) = first {
            address.set_port(first.port());
        }
        // Nobody else may sit on the port: sharing is for our own threads only.
        match bind_all(address, &mut per_thread) {
            Ok(bound) => {
                first.get_or_insert(bound);
            }
            Err(error) => problem = Some(error),
        }
    }
    match (first, problem) {
        (Some(address), _) => Ok(Listeners { address, per_thread }),
        (None, Some(error)) => Err(error),
        (None, None) => Err(io::Error::other("the host name means no address")),
    }
}

fn bind_all(
    mut address: SocketAddr,
    per_thread: &mut [Vec<TcpListener>],
) -> io::Result<SocketAddr> {
    if address.port() != 0 {
        // Fails when another process listens there, which SO_REUSEPORT alone would not.
        drop(TcpListener::bind(address)?);
    }
    let mut bound = None;
    for listeners in per_thread.iter_mut() {
        let socket = socket(address)?;
        let listener: TcpListener = socket.into();
        address = listener.local_addr()?;
        bound.get_or_insert(address);
        listeners.push(listener);
    }
    bound.ok_or_else(|| io::Error::other("no event loop"))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Accepted connections inherit both.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Whether only this machine can reach `address`.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().is_loopback()
}

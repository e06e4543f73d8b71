//! A network between a store and its server that can fail.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What comes is passed on.
    Pass,
    /// Connections stay, and every byte disappears.
    Swallow,
    /// Every connection is cut and none is accepted.
    Closed,
}

pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (mode, watched) = watch::channel(Mode::Pass);
        let task = tokio::spawn(serve(listener, server.to_owned(), watched));
        Proxy { addr, mode, task }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, server: String, mut mode: watch::Receiver<Mode>) {
    let watched = mode.clone();
    let addr = listener.local_addr().unwrap();
    let mut open = Some(listener);
    loop {
        let listener = match open.take() {
            Some(listener) => listener,
            None => TcpListener::bind(addr).await.unwrap(),
        };
        loop {
            tokio::select! {
                client = listener.accept() => {
                    tokio::spawn(connect(client.unwrap().0, server.clone(), watched.clone()));
                }
                _ = mode.wait_for(|mode| *mode == Mode::Closed) => break,
            }
        }
        drop(listener);
        mode.wait_for(|mode| *mode != Mode::Closed).await.unwrap();
    }
}

async fn connect(client: TcpStream, server: String, mut mode: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (client, server) = (client.into_split(), server.into_split());
    tokio::select! {
        () = pass(client.0, server.1, mode.clone()) => {}
        () = pass(server.0, client.1, mode.clone()) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Closed) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let passes = *mode.borrow() == Mode::Pass;
        if passes && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

//! The gateway's life: connections come, requests are answered, and when nobody comes it leaves.
//!
//! Owns: the runtime, connections and their limits. Does not own: the answers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

use super::auth::Guessers;
use super::channel::{Channel, Message, Settings};
use super::context::Context;
use super::control::Control;
use super::gate;
use super::meter::{Meter, Metered};
use crate::protocol::handover::{Door, Rights};
use crate::sys::process;

/// The thread that reads /proc is kept for as long as anybody runs.
const READER_KEPT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Most connections at a time; each is a descriptor and a few KiB. One more closes the one that is unused for longest.
const MAX_CONNECTIONS: usize = 512;
/// Most bytes of a request's line and headers, and read ahead of a body.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// Without any connection for so long the gateway leaves.
const LEAVE_AFTER: Duration = Duration::from_secs(60);
/// How often limits of time are looked at while any runs.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// For what is under way when visor closes the channel and may have no end, such as a log that is followed.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// For calls under way after that; visor's own patience is a little longer.
const LAST_LIMIT: Duration = Duration::from_secs(280);

/// Runs the gateway on the descriptor visor has given it, to its end.
#[must_use]
pub fn main() -> ExitCode {
    // Others may run as the same user, and we are about to hear passwords. What is ours to read in /proc is root's after that.
    super::proc::learn_units();
    if let Err(error) = process::keep_secrets() {
        return fail(&format!("cannot keep passwords from other processes: {error}"));
    }
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // One thread reads /proc, however many want to know.
    builder.enable_all().max_blocking_threads(1).thread_keep_alive(READER_KEPT);
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot make a runtime: {error}")),
    };
    // It is made now: later there may be no room for one, and that would be the end.
    let _ = runtime.block_on(runtime.spawn_blocking(|| {}));
    runtime.block_on(LocalSet::new().run_until(async {
        match Channel::take_over() {
            Ok(channel) => serve(channel).await,
            Err(error) => {
                fail(&format!("cannot talk to visor over descriptor 3: {error}; visor starts this program itself"))
            }
        }
    }))
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub channel: Rc<Channel>,
    pub control: Rc<Control>,
    pub guessers: Guessers,
    /// This machine's name.
    pub node: String,
    pub bodies: gate::Bodies,
    settings: RefCell<Rc<Settings>>,
    doors: RefCell<BTreeMap<usize, Rc<Door>>>,
    meters: RefCell<BTreeMap<u64, Rc<Meter>>>,
    /// Told when a connection comes or goes, and when limits of time begin to run.
    changed: Rc<Notify>,
    next: Cell<u64>,
    /// True when everything is to come to its end.
    ending: watch::Sender<bool>,
}

async fn serve(channel: Channel) -> ExitCode {
    let channel = Rc::new(channel);
    let control = Control::new(Rc::clone(&channel));
    let shared = Rc::new(Shared {
        channel,
        control,
        guessers: Guessers::default(),
        node: crate::sys::host::node_name(),
        bodies: gate::Bodies::default(),
        settings: RefCell::default(),
        doors: RefCell::default(),
        meters: RefCell::default(),
        changed: Rc::default(),
        next: Cell::new(0),
        ending: watch::Sender::new(false),
    });
    tokio::task::spawn_local(leave_when_unused(Rc::clone(&shared)));
    tokio::task::spawn_local(sweep(Rc::clone(&shared)));
    let outcome = loop {
        match shared.channel.next().await {
            Ok(Message::Server(door)) => {
                shared.doors.borrow_mut().insert(door.server, Rc::new(door));
            }
            Ok(Message::Settings(settings)) => *shared.settings.borrow_mut() = Rc::new(settings),
            Ok(Message::Connection { server, peer, descriptor }) => {
                if let Err(error) = take(&shared, server, &peer, descriptor) {
                    let _ = writeln!(std::io::stderr(), "cannot serve a connection of {peer}: {error}");
                }
            }
            Ok(Message::End) => break ExitCode::SUCCESS,
            Err(error) => break fail(&format!("the channel to visor is broken: {error}")),
        }
    };
    drain(&shared).await;
    outcome
}

/// Lets what is under way come to its end, for a while.
async fn drain(shared: &Shared) {
    shared.ending.send_replace(true);
    if timeout(DRAIN_LIMIT, shared.all_gone()).await.is_ok() {
        return;
    }
    for meter in shared.meters.borrow().values().filter(|meter| !meter.is_worth_waiting_for()) {
        meter.close();
    }
    let _ = timeout(LAST_LIMIT, shared.all_gone()).await;
}

/// Tells visor when nobody was connected for long. The channel's end then ends us.
async fn leave_when_unused(shared: Rc<Shared>) {
    loop {
        if !shared.meters.borrow().is_empty() {
            shared.changed.notified().await;
            continue;
        }
        if timeout(LEAVE_AFTER, shared.changed.notified()).await.is_err() {
            // Who comes meanwhile is still served.
            shared.control.keep_one(Rights::All).await;
            if shared.doors.borrow().values().any(|door| door.readonly.is_some()) {
                shared.control.keep_one(Rights::Observe).await;
            }
            return shared.channel.leave().await;
        }
    }
}

/// Closes what takes too long.
async fn sweep(shared: Rc<Shared>) {
    loop {
        let now = Instant::now();
        let mut any = false;
        for meter in shared.meters.borrow().values() {
            match meter.deadline() {
                Some(deadline) if deadline <= now => meter.close(),
                Some(_) => any = true,
                None => {}
            }
        }
        if any { sleep(SWEEP_PAUSE).await } else { shared.changed.notified().await }
    }
}

/// Begins to serve a connection.
fn take(shared: &Rc<Shared>, server: usize, peer: &str, descriptor: OwnedFd) -> std::io::Result<()> {
    let Some(door) = shared.doors.borrow().get(&server).cloned() else {
        return Err(std::io::Error::other(format!("visor has not told of server {server}")));
    };
    if !has_room(shared) {
        // Every other one is at work: this one may come again.
        return Ok(());
    }
    crate::sys::fds::set_nonblocking(&descriptor, true)?;
    let peer = Rc::from(peer);
    if door.kind == "inet" {
        let stream = std::net::TcpStream::from(descriptor);
        stream.set_nodelay(true)?;
        begin(shared, door, peer, TcpStream::from_std(stream)?);
    } else {
        begin(shared, door, peer, UnixStream::from_std(descriptor.into())?);
    }
    Ok(())
}

/// Whether there is room for one more; when there are as many as may be, the least useful one is closed for it.
fn has_room(shared: &Shared) -> bool {
    let mut meters = shared.meters.borrow_mut();
    if meters.len() < MAX_CONNECTIONS {
        return true;
    }
    let least = meters.iter().filter_map(|(id, meter)| Some((meter.worth()?, *id))).min();
    let Some(meter) = least.and_then(|(_, id)| meters.remove(&id)) else { return false };
    meter.close();
    true
}

fn begin<S>(shared: &Rc<Shared>, door: Rc<Door>, peer: Rc<str>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let id = shared.next.get();
    shared.next.set(id.wrapping_add(1));
    let meter = Meter::new(Instant::now(), Rc::clone(&shared.changed));
    shared.meters.borrow_mut().insert(id, Rc::clone(&meter));
    shared.changed.notify_waiters();
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        let stream = Metered::new(stream, Rc::clone(&meter));
        let visitor = gate::Visitor { door, peer, meter: Rc::clone(&meter) };
        tokio::select! {
            () = converse(&shared, visitor, stream) => {}
            () = meter.closed() => {}
        }
        shared.meters.borrow_mut().remove(&id);
        shared.changed.notify_waiters();
    });
}

/// Answers the requests of one connection until it ends.
async fn converse<S>(shared: &Rc<Shared>, visitor: gate::Visitor, stream: Metered<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let serving = visitor.meter.serve();
        let answer = gate::answer(shared, &visitor, request);
        async move { Ok::<_, Infallible>(answer.await.map(|body| gate::Held::new(body, serving))) }
    });
    // hyper's own timers are off: it has one for headers and for the pause between requests alike.
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut ending = shared.ending.subscribe();
    tokio::select! {
        // What goes wrong in a conversation is the peer's affair.
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl Shared {
    async fn all_gone(&self) {
        while !self.meters.borrow().is_empty() {
            self.changed.notified().await;
        }
    }

    /// What a request of this visitor is answered with.
    pub(super) fn context(&self, visitor: &gate::Visitor, rights: Rights) -> Context {
        Context {
            door: Rc::clone(&visitor.door),
            peer: Rc::clone(&visitor.peer),
            rights,
            settings: Rc::clone(&self.settings.borrow()),
            control: Rc::clone(&self.control),
        }
    }

    /// What visor told of itself.
    pub(super) fn settings(&self) -> Rc<Settings> {
        Rc::clone(&self.settings.borrow())
    }
}

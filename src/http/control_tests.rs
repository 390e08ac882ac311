//! The pool against a visor of the tests' own.

use std::io::{IoSlice, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

use super::*;
use crate::protocol::handover::{FromGateway, ToGateway};

/// visor's end of a channel.
struct Visor(OwnedFd);

impl Visor {
    fn pair() -> (Visor, Rc<Control>) {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let channel = Rc::new(Channel::new(ours).unwrap());
        let listening = Rc::clone(&channel);
        tokio::task::spawn_local(async move {
            while listening.next().await.is_ok_and(|m| !matches!(m, super::super::channel::Message::End)) {}
        });
        (Visor(theirs), Control::new(channel))
    }

    /// Takes one message and answers it; a connection when `give`.
    fn answer(&self, give: bool) -> Option<StdStream> {
        let socket = &self.0;
        let mut stream = StdStream::from(socket.try_clone().unwrap());
        let mut packet = [0; 1024];
        let length = stream.read(&mut packet).unwrap();
        assert!(matches!(FromGateway::of_packet(&packet[..length]), Some(FromGateway::Control(_))));
        if !give {
            stream.write_all(&ToGateway::Refused { text: "full".to_owned() }.to_packet()).unwrap();
            return None;
        }
        let (near, far) = StdStream::pair().unwrap();
        let bytes = ToGateway::Control.to_packet();
        let descriptors = [far.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], &rights, MsgFlags::empty(), None).unwrap();
        Some(near)
    }
}

/// Runs a test with what its tasks need.
async fn local(test: impl Future<Output = ()>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

fn hello(stream: &mut StdStream) {
    let mut line = [0; 6];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"hello\n");
    stream.write_all(b" pid=7\nok\n").unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn connection_is_asked_for_once_and_used_again() {
    local(async {
        let (visor, control) = Visor::pair();
        let far = tokio::task::spawn_blocking(move || {
            let mut stream = visor.answer(true).unwrap();
            hello(&mut stream);
            hello(&mut stream);
            visor
        });
        for _ in 0..2 {
            let answer = control.ask(Rights::All, "", &Request::Hello).await.unwrap();
            assert_eq!((answer.get("pid"), answer.failure()), (Some("7"), None));
        }
        drop(far.await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn connection_that_hung_up_meanwhile_is_not_used_again() {
    local(async {
        let (visor, control) = Visor::pair();
        let far = tokio::task::spawn_blocking(move || {
            hello(&mut visor.answer(true).unwrap());
            visor
        });
        control.ask(Rights::All, "", &Request::Hello).await.unwrap();
        let visor = far.await.unwrap();
        // The runtime hears of the end when it next looks.
        tokio::task::yield_now().await;
        let far = tokio::task::spawn_blocking(move || hello(&mut visor.answer(true).unwrap()));
        control.ask(Rights::All, "", &Request::Hello).await.unwrap();
        far.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn who_may_look_gets_another_connection_than_who_may_do_all() {
    local(async {
        let (visor, control) = Visor::pair();
        let far = tokio::task::spawn_blocking(move || {
            let mut first = visor.answer(true).unwrap();
            hello(&mut first);
            let mut second = visor.answer(true).unwrap();
            hello(&mut second);
            (visor, first, second)
        });
        control.ask(Rights::All, "", &Request::Hello).await.unwrap();
        control.ask(Rights::Observe, "", &Request::Hello).await.unwrap();
        drop(far.await.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn refusal_is_outwaited_and_the_end_of_the_channel_is_not() {
    local(async {
        let (visor, control) = Visor::pair();
        let far = tokio::task::spawn_blocking(move || {
            visor.answer(false);
            hello(&mut visor.answer(true).unwrap());
            drop(visor);
        });
        control.ask(Rights::All, "", &Request::Hello).await.unwrap();
        far.await.unwrap();
        assert_eq!(control.ask(Rights::All, "", &Request::Hello).await, Err(AskError::Closed));
    })
    .await;
}

#[tokio::test(flavor = "current_thread")]
async fn after_the_end_of_the_channel_connections_in_use_serve_who_waits() {
    local(async {
        let (visor, control) = Visor::pair();
        let far = tokio::task::spawn_blocking(move || {
            let stream = visor.answer(true).unwrap();
            drop(visor);
            stream
        });
        let mut first = control.open(Rights::All, "", &Request::Hello).await.unwrap();
        let mut stream = far.await.unwrap();
        let far = tokio::task::spawn_blocking(move || {
            hello(&mut stream);
            hello(&mut stream);
        });
        let waiting = Rc::clone(&control);
        let second = tokio::task::spawn_local(async move { waiting.ask(Rights::All, "", &Request::Hello).await });
        while !first.next().await.unwrap().is_end() {}
        drop(first);
        assert!(second.await.unwrap().is_ok());
        far.await.unwrap();
    })
    .await;
}

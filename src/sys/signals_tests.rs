//! Each test with handlers runs in a forked copy: signals belong to the whole process.

use super::*;
use crate::sys::reap;
use crate::sys::testing::in_fork;

fn raise(signal: i32) {
    // SAFETY: the copy signals itself.
    unsafe { libc::kill(libc::getpid(), signal) };
}

/// Whether the self-pipe is readable now.
fn woken(pipe: &SelfPipe) -> bool {
    let mut asked = libc::pollfd { fd: pipe.fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, valid for the call.
    unsafe { libc::poll(&raw mut asked, 1, 0) == 1 }
}

#[test]
fn set_contains_and_lists_its_signals_only() {
    let set = SignalSet::from_bits(bit(1) | bit(15) | bit(64));
    assert_eq!(set.iter().collect::<Vec<_>>(), [1, 15, 64]);
    assert!(set.contains(64) && !set.contains(2) && !set.contains(0) && !set.contains(65) && !set.contains(-1));
    assert!(SignalSet::default().is_empty() && !set.is_empty());
}

#[test]
fn signals_caught_wake_once_taken_and_then_rest() {
    assert!(in_fork(|| {
        let Ok(pipe) = SelfPipe::install(&[libc::SIGTERM, libc::SIGHUP]) else { return false };
        let quiet = !woken(&pipe) && pipe.take().is_empty();
        raise(libc::SIGTERM);
        raise(libc::SIGTERM);
        raise(libc::SIGHUP);
        let awake = woken(&pipe);
        let seen = pipe.take();
        let all = seen.iter().eq([libc::SIGHUP, libc::SIGTERM]);
        quiet && awake && all && !woken(&pipe) && pipe.take().is_empty()
    }));
}

#[test]
fn signals_that_were_blocked_are_caught() {
    assert!(in_fork(|| {
        std::mem::forget(block_all());
        raise(libc::SIGUSR2);
        let Ok(pipe) = SelfPipe::install(&[libc::SIGTERM, libc::SIGUSR2]) else { return false };
        raise(libc::SIGTERM);
        pipe.take().iter().eq([libc::SIGUSR2, libc::SIGTERM]) || pipe.take().contains(libc::SIGTERM)
    }));
}

#[test]
fn signals_beyond_the_pipes_room_are_remembered() {
    assert!(in_fork(|| {
        let Ok(pipe) = SelfPipe::install(&[libc::SIGUSR1, libc::SIGUSR2]) else { return false };
        for _ in 0..70_000 {
            raise(libc::SIGUSR1);
        }
        raise(libc::SIGUSR2);
        pipe.take().iter().eq([libc::SIGUSR1, libc::SIGUSR2]) && !woken(&pipe)
    }));
}

#[test]
fn second_pipe_is_refused_while_the_first_lives() {
    assert!(in_fork(|| {
        let Ok(first) = SelfPipe::install(&[libc::SIGUSR1]) else { return false };
        let refused = SelfPipe::install(&[]).is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists);
        raise(libc::SIGUSR1);
        let works = first.take().contains(libc::SIGUSR1);
        drop(first);
        refused && works && SelfPipe::install(&[libc::SIGUSR1]).is_ok()
    }));
}

#[test]
fn signal_that_cannot_be_caught_is_refused_and_undone() {
    assert!(in_fork(|| {
        SelfPipe::install(&[libc::SIGKILL]).is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            && SelfPipe::install(&[libc::SIGTERM]).is_ok()
    }));
}

#[test]
fn errno_survives_a_handler_whose_write_fails() {
    assert!(in_fork(|| {
        WAKE.store(1_000_000, Ordering::SeqCst);
        Errno::set_raw(libc::ENOENT);
        on_signal(libc::SIGTERM, std::ptr::null(), std::ptr::null());
        Errno::last_raw() == libc::ENOENT
    }));
}

#[test]
fn blocked_signals_arrive_after_the_mask_is_back() {
    assert!(in_fork(|| {
        let Ok(pipe) = SelfPipe::install(&[libc::SIGTERM]) else { return false };
        let mask = block_all();
        raise(libc::SIGTERM);
        let held = pipe.take().is_empty();
        drop(mask);
        held && pipe.take().contains(libc::SIGTERM)
    }));
}

#[cfg(target_os = "linux")]
#[test]
fn signals_ignored_by_who_started_us_are_known_and_the_runtimes_own_are_not() {
    const ROLE: &str = "VISOR_TEST_INHERITED";
    if std::env::var_os(ROLE).is_some() {
        // Others may be ignored where the tests run; PIPE is not, since the standard library's Command gives it back.
        let ignored = SignalSet::from_bits(inherited().ignored);
        assert!(
            ignored.contains(libc::SIGUSR2) && !ignored.contains(libc::SIGPIPE) && !ignored.contains(libc::SIGUSR1)
        );
        return;
    }
    let program = std::env::current_exe().unwrap();
    let name = "sys::signals::tests::signals_ignored_by_who_started_us_are_known_and_the_runtimes_own_are_not";
    let script = format!("trap '' USR2; exec '{}' --exact {name}", program.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).env(ROLE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn terminal_stops_are_ignored_when_asked() {
    assert!(in_fork(|| {
        ignore_terminal_stops();
        raise(libc::SIGTTOU);
        raise(libc::SIGTTIN);
        reap::reap(reap::Stops::Untold).is_none()
    }));
}

#[test]
fn pipe_signal_of_our_own_write_is_no_news_and_that_of_another_is() {
    assert!(in_fork(|| {
        let Ok(pipe) = SelfPipe::install(&[libc::SIGPIPE]) else { return false };
        let Ok((reader, writer)) = fds::pipe() else { return false };
        drop(reader);
        let gone = matches!(fds::write(&writer, b"x"), Ok(fds::Written::Gone));
        let quiet = pipe.take().is_empty();
        let ours = i32::try_from(crate::sys::process::pid()).unwrap_or(0);
        let sent = in_fork(|| reap::kill(ours, libc::SIGPIPE).is_ok());
        gone && quiet && sent && pipe.take().contains(libc::SIGPIPE)
    }));
}

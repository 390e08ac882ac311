//! Outliving a fault. Where we are PID 1 of a machine, our death is the kernel's: so a signal that tells of a mistake of ours
//! executes our own file anew, in the same process. What the new self makes of it is not known here.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{c_char, c_int};

use super::call::c_string;
use super::signals;
use crate::list::List as _;

/// What the kernel or `abort` sends for a mistake. A panic without unwinding comes as one of them, too.
pub(super) const FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP, libc::SIGFPE, libc::SIGSYS];

/// All that exec needs, made ready while nothing is broken yet.
struct Image {
    path: CString,
    argv: Vec<*const c_char>,
    env: Vec<*const c_char>,
    /// Keeps what the pointers point to.
    _texts: Vec<CString>,
}

static IMAGE: AtomicPtr<Image> = AtomicPtr::new(ptr::null_mut());

/// From now on a fault executes our file anew with these arguments and this environment, if we are PID 1. A second call replaces what
/// the first one said.
///
/// # Errors
/// EINVAL when a text has a NUL inside.
pub fn install(argv: &[OsString], env: &[(OsString, OsString)]) -> io::Result<()> {
    let argv: Vec<CString> = argv.iter().map(|word| c_string(word.as_bytes())).list_all()?;
    let env: Vec<CString> = env
        .iter()
        .map(|(key, value)| c_string([key, OsStr::new("="), value].map(OsStr::as_bytes).concat()))
        .list_all()?;
    let path = std::env::current_exe().map(|path| path.into_os_string()).unwrap_or_default();
    let pointers = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).list();
    let image = Image {
        path: c_string(path.as_bytes())?,
        argv: pointers(&argv),
        env: pointers(&env),
        _texts: argv.into_iter().chain(env).list(),
    };
    // It lives as long as the process: a fault may come at any time. An earlier one is left behind for the same reason.
    IMAGE.store(Box::into_raw(Box::new(image)), Ordering::SeqCst);
    for signal in FAULTS {
        let handler: extern "C" fn(c_int) = on_fault;
        signals::set_action(signal, handler as libc::sighandler_t, libc::SA_ONSTACK | libc::SA_NODEFER)?;
    }
    Ok(())
}

/// Executes our file anew. Async-signal-safe. Where that cannot be, PID 1 stands still: every process lives on but us.
pub fn execute_anew() -> ! {
    signals::unblock_all();
    // SAFETY: the pointer is null or one that `install` made and nobody frees; its texts are C strings and its arrays end in null.
    // The link in /proc works even when the file was replaced; without /proc there is the path.
    unsafe {
        if let Some(image) = IMAGE.load(Ordering::SeqCst).as_ref() {
            for path in [c"/proc/self/exe", image.path.as_c_str()] {
                libc::execve(path.as_ptr(), image.argv.as_ptr(), image.env.as_ptr());
            }
        }
        loop {
            libc::pause();
        }
    }
}

/// Runs in signal context. A forked child that has not dropped its handlers yet dies as anybody would.
extern "C" fn on_fault(signal: c_int) {
    // SAFETY: asks for a number.
    if unsafe { libc::getpid() } == 1 {
        execute_anew();
    }
    let _ = signals::set_action(signal, libc::SIG_DFL, 0);
    // SAFETY: takes a number.
    unsafe { libc::raise(signal) };
}

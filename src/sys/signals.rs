//! Signals become a byte in a pipe, which wakes the poll, and a bit in a mask, which remembers which ones came.
//! What a signal means is the daemon's business.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use libc::{c_int, c_void};
use nix::errno::Errno;

use super::call::check;
use super::failure::failure;
use super::fds;

/// The highest signal number there is.
pub const HIGHEST: i32 = 64;
/// Bytes taken from the self-pipe at a time; how many came does not matter, the mask has the truth.
const DRAIN_BYTES: usize = 64;

static PENDING: AtomicU64 = AtomicU64::new(0);
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// The realtime signals that are for programs: the C library keeps the first few to itself, and each its own number of them.
#[cfg(target_os = "linux")]
#[must_use]
pub fn realtime() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// The realtime signals that are for programs: none that a set here could hold.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn realtime() -> std::ops::RangeInclusive<i32> {
    1..=0
}

/// A set of signal numbers, 1 to [`HIGHEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalSet(u64);

impl SignalSet {
    /// The set with these bits; bit n-1 stands for signal n.
    pub const fn from_bits(bits: u64) -> Self {
        SignalSet(bits)
    }

    /// Whether no signal is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether that signal is in it.
    pub const fn contains(self, signal: i32) -> bool {
        self.0 & bit(signal) != 0
    }

    /// Its numbers, lowest first.
    pub fn iter(self) -> Signals {
        Signals(self)
    }
}

impl IntoIterator for SignalSet {
    type Item = i32;
    type IntoIter = Signals;
    fn into_iter(self) -> Signals {
        self.iter()
    }
}

/// The numbers of a [`SignalSet`], lowest first.
#[derive(Debug, Clone)]
pub struct Signals(SignalSet);

impl Iterator for Signals {
    type Item = i32;
    fn next(&mut self) -> Option<i32> {
        let next = (1..=HIGHEST).find(|&signal| self.0.contains(signal))?;
        self.0.0 &= !bit(next);
        Some(next)
    }
}

/// The bit of a signal; none for a number that is no signal.
const fn bit(signal: i32) -> u64 {
    if signal >= 1 && signal <= HIGHEST { 1 << (signal - 1) } else { 0 }
}

/// The one receiver of our signals. Dropping it gives the signals their default action back.
#[derive(Debug)]
pub struct SelfPipe {
    reader: OwnedFd,
    /// Kept open for the handler, which knows only its number.
    _writer: OwnedFd,
    handled: SignalSet,
}

impl AsFd for SelfPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl SelfPipe {
    /// Catch these signals from now on, and ignore SIGPIPE. Interrupted calls are restarted where the kernel can. Whoever
    /// started us may have blocked them: they are let through, or we would be deaf to them for ever.
    ///
    /// # Errors
    /// `AlreadyExists` when one is installed; EINVAL for a number that cannot be caught; EMFILE.
    pub fn install(signals: &[i32]) -> io::Result<SelfPipe> {
        let (reader, writer) = fds::pipe()?;
        fds::set_nonblocking(&reader, true)?;
        fds::set_nonblocking(&writer, true)?;
        if WAKE.compare_exchange(-1, writer.as_raw_fd(), Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Err(failure(io::ErrorKind::AlreadyExists, "signals are caught already"));
        }
        // From here on a failure drops `pipe`, which undoes what was done.
        let mut pipe = SelfPipe { reader, _writer: writer, handled: SignalSet::default() };
        ignore(libc::SIGPIPE)?;
        for &signal in signals {
            let handler: extern "C" fn(c_int, *const libc::siginfo_t, *const c_void) = on_signal;
            set_action(signal, handler as libc::sighandler_t, libc::SA_RESTART | libc::SA_SIGINFO)?;
            pipe.handled.0 |= bit(signal);
        }
        unblock(signals);
        Ok(pipe)
    }

    /// The descriptor that is readable when signals came.
    pub fn fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// The signals that came since the last call. The pipe is emptied before the mask is read: a signal between the
    /// two is reported now and wakes once more for nothing; the other order could lose it.
    pub fn take(&self) -> SignalSet {
        let mut bytes = [0; DRAIN_BYTES];
        while let Ok(fds::Read::Bytes(_)) = fds::read(&self.reader, &mut bytes) {}
        SignalSet(PENDING.swap(0, Ordering::SeqCst))
    }
}

impl Drop for SelfPipe {
    fn drop(&mut self) {
        for signal in self.handled.iter() {
            let _ = set_action(signal, libc::SIG_DFL, 0);
        }
        WAKE.store(-1, Ordering::SeqCst);
        PENDING.store(0, Ordering::SeqCst);
    }
}

/// Runs in signal context: atomics and write(2) only. A full pipe drops the byte, which is fine: a byte is in it then,
/// and the mask remembers the signal.
extern "C" fn on_signal(signal: c_int, info: *const libc::siginfo_t, _context: *const c_void) {
    // SAFETY: with SA_SIGINFO the kernel gives a filled one.
    if unsafe { info.as_ref() }.is_some_and(|info| is_our_doing(signal, info)) {
        return;
    }
    let errno = Errno::last_raw();
    PENDING.fetch_or(bit(signal), Ordering::SeqCst);
    let wake = WAKE.load(Ordering::SeqCst);
    if wake >= 0 {
        // SAFETY: one byte of a static string is read; the descriptor stays open while it is in `WAKE`.
        unsafe { libc::write(wake, c"!".as_ptr().cast(), 1) };
    }
    Errno::set_raw(errno);
}

/// Whether nobody sent the signal: it is what we get for a write to who has gone, of which the write tells, or for a trap of our
/// own code, which would come for ever unless it ends us.
fn is_our_doing(signal: c_int, info: &libc::siginfo_t) -> bool {
    match signal {
        // SAFETY: this signal comes with a sender; the other call asks for a number.
        libc::SIGPIPE => unsafe { info.si_pid() == libc::getpid() },
        // What is above 0 are the kernel's own reasons.
        libc::SIGTRAP if info.si_code > 0 => set_action(signal, libc::SIG_DFL, 0).is_ok(),
        _ => false,
    }
}

/// Lets signals through that are blocked in this thread. Numbers that are no signals are passed over.
fn unblock(signals: &[i32]) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set before it is added to and read; a null old mask is allowed.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// Ignore a signal.
///
/// # Errors
/// EINVAL for KILL, STOP and numbers that are no signals.
pub fn ignore(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_IGN, 0)
}

/// Ignore what a terminal sends to a background group that reads or writes it: neither may stop us.
pub fn ignore_terminal_stops() {
    for signal in [libc::SIGTTIN, libc::SIGTTOU] {
        // Both exist everywhere and may be ignored, so there is no failure to report.
        let _ = ignore(signal);
    }
}

/// Runs `act` while these signals are ignored; then they have their old action again.
pub(super) fn while_ignoring(signals: &[c_int], act: impl FnOnce()) {
    let mut old = Vec::with_capacity(signals.len());
    for &signal in signals {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only reads the old one; where the number is refused the zeros stay (default).
        let action = unsafe {
            libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
            action.assume_init()
        };
        if ignore(signal).is_ok() {
            old.push((signal, action));
        }
    }
    act();
    for (signal, action) in old {
        // SAFETY: `action` is what the kernel answered above.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// Async-signal-safe.
pub(super) fn set_action(signal: c_int, handler: libc::sighandler_t, flags: c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: default handler, empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `action` is filled; its handler is SIG_DFL, SIG_IGN or `on_signal`, which is async-signal-safe.
    check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }).map(drop)
}

/// The signal mask from before [`block_all`]; dropping it puts that mask back.
pub struct SavedMask(libc::sigset_t);

/// Hold back every signal of this thread until the answer is dropped, so that none arrives between fork and
/// the child's reset of its handlers. Those that tell of a fault still come: a blocked one kills at once, handler or not.
pub fn block_all() -> SavedMask {
    let mut all = MaybeUninit::uninit();
    let mut old = MaybeUninit::uninit();
    // SAFETY: sigfillset fills `all` before it is read; pthread_sigmask fills `old`; with valid pointers and a valid
    // `how` neither can fail.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        for fault in super::guard::FAULTS {
            libc::sigdelset(all.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
        SavedMask(old.assume_init())
    }
}

/// Hold back no signal of this thread any more. Async-signal-safe.
pub(super) fn unblock_all() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set before it is read; with a valid `how` the call cannot fail.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

impl Drop for SavedMask {
    fn drop(&mut self) {
        // SAFETY: the mask was filled by the kernel in `block_all`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// What whoever started us had decided about signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Bit n-1 is set when signal n was ignored.
    pub ignored: u64,
    /// Bit n-1 is set when signal n was blocked.
    pub blocked: u64,
}

impl Inherited {
    /// Nothing ignored, nothing blocked.
    pub const NONE: Inherited = Inherited { ignored: 0, blocked: 0 };

    /// Whether a signal was ignored.
    #[must_use]
    pub fn ignores(self, signal: i32) -> bool {
        self.ignored & bit(signal) != 0
    }

    /// Whether a signal was blocked.
    #[must_use]
    pub fn blocks(self, signal: i32) -> bool {
        self.blocked & bit(signal) != 0
    }
}

static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// The dispositions and the mask with which the process began, read before Rust's runtime ignores SIGPIPE. Where the
/// loader runs no code of ours before `main` (not Linux), all zero.
pub fn inherited() -> Inherited {
    Inherited { ignored: IGNORED.load(Ordering::Relaxed), blocked: BLOCKED.load(Ordering::Relaxed) }
}

/// The loader runs this before `main` and so before the runtime, which would abort where 0 to 2 are closed and there
/// is no `/dev/null`.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_RUNTIME: extern "C" fn() = before_runtime;

#[cfg(target_os = "linux")]
extern "C" fn before_runtime() {
    capture();
    fds::open_missing_standard();
}

/// Plain calls only: nothing of the runtime is there yet.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn capture() {
    let mut ignored = 0;
    let mut blocked = 0;
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: a null new mask only reads the old one into `mask`, which is valid even when all zero.
    let mask = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
        mask.assume_init()
    };
    for signal in 1..=HIGHEST {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only reads the old one; where the number is refused the zeros stay (default).
        let action = unsafe {
            libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
            action.assume_init()
        };
        if action.sa_sigaction == libc::SIG_IGN {
            ignored |= bit(signal);
        }
        // SAFETY: `mask` is a filled set.
        if unsafe { libc::sigismember(&raw const mask, signal) } == 1 {
            blocked |= bit(signal);
        }
    }
    IGNORED.store(ignored, Ordering::Relaxed);
    BLOCKED.store(blocked, Ordering::Relaxed);
}

#[cfg(test)]
#[path = "signals_tests.rs"]
mod tests;

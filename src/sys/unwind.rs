//! No unwinding, in the static binaries only: a panic says its message and ends the process.
//!
//! The prebuilt standard library can print backtraces, and carries readers of ELF, DWARF and zlib for them: half of
//! a small static binary, for lines without names, as the symbols are stripped. It reaches all that through the few
//! C functions of an unwinder. The ones defined here take the place of the library's, so that the linker finds
//! nothing else in use. Not done here: the message of a panic, which stays the standard library's.

use std::ffi::{c_int, c_void};

/// What an unwinder answers when there are no more frames (`_URC_END_OF_STACK`).
const END_OF_STACK: c_int = 5;

/// Walks no frame: the backtrace is empty.
// SAFETY: the C name and signature; the callback is not called, so nothing is asked of its argument.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_each: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Defines functions of an unwinder that are called only by one that has begun to unwind, which none here does.
macro_rules! never_called {
    ($($name:ident)*) => {$(
        // SAFETY: the C name; it takes no argument from the caller and does not return, so it breaks no promise.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            std::process::abort()
        }
    )*};
}
never_called! {
    _Unwind_Resume _Unwind_RaiseException _Unwind_DeleteException _Unwind_FindEnclosingFunction
    _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_GetDataRelBase
    _Unwind_GetCFA _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetGR _Unwind_SetGR _Unwind_SetIP
}

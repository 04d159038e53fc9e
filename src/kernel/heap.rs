//! The heap: how much of what was freed the allocator keeps. What is said here is of glibc's; another one does as it does.

/// Whoever allocates so many bytes at once has pages of their own, which go back to the kernel when they are freed.
pub const LARGE: usize = 1 << 20;

/// Heaps of the process. Of glibc's own choice there may be eight for each core, each with holes of its own where
/// buffers went from one thread to another; with two, threads that free each other's memory wait for each other.
#[cfg(target_env = "gnu")]
const HEAPS: nix::libc::c_int = 3;

/// Bytes at the end of a heap that may be free.
#[cfg(target_env = "gnu")]
const SPARE: nix::libc::c_int = 4 << 20;

/// Has the heap stay as large as what is in it, about. By itself glibc would take each [`LARGE`] allocation that was freed
/// as a reason to put others of that size between the small ones, where they leave holes. For the start of a process,
/// before there are other threads.
pub fn bound_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) changes settings of the allocator; what was allocated stays as it is.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, HEAPS);
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, LARGE as nix::libc::c_int);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, SPARE);
    }
}

/// Gives free pages of the heap back to the kernel. It holds up whoever allocates meanwhile, for milliseconds where
/// much was freed: something for a moment at which nothing happens. Without glibc it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes the locks of the allocator itself, and frees nothing that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

//! Memory that was freed and that the allocator keeps.

/// Gives free pages of the heap back to the kernel. It holds up whoever allocates meanwhile, for milliseconds where
/// much was freed: something for a moment at which nothing happens. Without glibc it does nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes the locks of the allocator itself, and frees nothing that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

//! Memory for keys: one page of its own, locked against swapping, left out of core dumps and of
//! children, wiped before it is given back.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// A 32-byte key. Where the kernel refuses to lock the page (RLIMIT_MEMLOCK of 0) the key is still kept
/// out of dumps and wiped.
pub struct Secret {
    page: NonNull<[u8; 32]>,
}

// SAFETY: the page belongs to this value alone; it is reached only through `&self` and `&mut self`.
unsafe impl Send for Secret {}

impl Secret {
    /// A key of zeros, to be filled in.
    pub fn zeroed() -> std::io::Result<Self> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping of one page aliases nothing; it is zero-filled, readable,
        // writable, page-aligned and longer than 32 bytes. Locking and advising change no contents.
        let page = unsafe {
            let page =
                mmap_anonymous(None, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)?;
            let _locked_where_allowed = mlock(page, PAGE.get());
            madvise(page, PAGE.get(), MmapAdvise::MADV_DONTDUMP)?;
            madvise(page, PAGE.get(), MmapAdvise::MADV_DONTFORK)?;
            page
        };
        Ok(Self { page: page.cast() })
    }

    /// A key with these bytes; the caller wipes its own copy.
    pub fn new(bytes: &[u8; 32]) -> std::io::Result<Self> {
        let mut secret = Self::zeroed()?;
        secret.copy_from_slice(bytes);
        Ok(secret)
    }
}

impl Deref for Secret {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        // SAFETY: the page lives as long as `self`.
        unsafe { self.page.as_ref() }
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8; 32] {
        // SAFETY: the page lives as long as `self`, which is borrowed exclusively.
        unsafe { self.page.as_mut() }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
        // SAFETY: mapped in `zeroed` with this length, and no reference outlives `self`.
        let _unmapped = unsafe { munmap(self.page.cast(), PAGE.get()) };
    }
}

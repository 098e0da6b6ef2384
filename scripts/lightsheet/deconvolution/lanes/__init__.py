"""FFTs of 16 sequences at a time, one in each lane of a vector register, for loops that numba compiles.

An FFT library keeps its transforms to itself: what is done to a spectrum has to be written to memory first. Here the
caller's loops hold the passes of a transform, and do their own work between two of them, while the data are in cache.

The method is that of textbooks (C. Van Loan, Computational Frameworks for the Fast Fourier Transform, SIAM 1992), in
the form that needs no reordering: forward by decimation in frequency (W. M. Gentleman and G. Sande, Fast Fourier
transforms for fun and profit, AFIPS 1966), which leaves the frequencies in digit-reversed order; back by decimation in
time (J. W. Cooley and J. W. Tukey, Math. Comput. 19, 297, 1965), which starts from that order. What multiplies a
spectrum is kept in that order, too. Both work in place.

`plan`         how a size is split into radices, and the twiddle factors
`emitter`      complex arithmetic as LLVM's vector instructions, which numba has no words for
`small_dft`    the DFT of as many points as a radix has, as a formula
`butterflies`  one step of a transform, or of a convolution
`passes`       all steps of a transform
`real_rows`    real sequences, two in one complex sequence
`jit`          compilation by numba; `cache`: where the machine code is kept; `native`: how it is linked and called
`processor`    whether this machine can compile

A complex vector is `LANES` real parts, then `LANES` imaginary parts, float32. Fused multiply-adds stand where they are
written, and nothing else is contracted or reordered: bits depend neither on the width of the registers nor on threads.
"""

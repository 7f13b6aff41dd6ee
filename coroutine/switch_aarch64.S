// SPDX-License-Identifier: Apache-2.0
//
// The switch for AArch64 (AAPCS64, section 6: a call preserves x19 to x29, sp, the low halves of v8
// to v15, and FPCR; x30 holds the return address).

#if defined(__aarch64__) && !defined(WEIR_SWITCH_UCONTEXT)

  .text

// void weir_internal_switch_stack(void **save, void *restore)
// void weir_internal_switch_alike(void **save, void *restore)
// They differ in how they go on.
  .macro define_switch name, alike
  .globl \name
  .type \name, %function
  .p2align 4
\name:
  .cfi_startproc
  hint #34  // bti c
  sub sp, sp, #176
  .cfi_def_cfa_offset 176
  stp x29, x30, [sp, #0]
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mrs x9, fpcr
  str x9, [sp, #160]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  .cfi_offset x29, -176
  .cfi_offset x30, -168
  .cfi_offset x19, -160
  .cfi_offset x20, -152
  .cfi_offset x21, -144
  .cfi_offset x22, -136
  .cfi_offset x23, -128
  .cfi_offset x24, -120
  .cfi_offset x25, -112
  .cfi_offset x26, -104
  .cfi_offset x27, -96
  .cfi_offset x28, -88
  ldr x9, [sp, #160]
  msr fpcr, x9
  ldp d14, d15, [sp, #144]
  ldp d12, d13, [sp, #128]
  ldp d10, d11, [sp, #112]
  ldp d8, d9, [sp, #96]
  ldp x27, x28, [sp, #80]
  ldp x25, x26, [sp, #64]
  ldp x23, x24, [sp, #48]
  ldp x21, x22, [sp, #32]
  ldp x19, x20, [sp, #16]
  ldp x29, x30, [sp, #0]
  add sp, sp, #176
  .cfi_def_cfa_offset 0
  .if \alike
  // The processor remembers where it was called, and there it goes on, on the other stack.
  ret
  .else
  // A ret would be mispredicted: the processor remembers the other stack's caller.
  mov x16, x30
  br x16
  .endif
  .cfi_endproc
  .size \name, . - \name
  .endm

  define_switch weir_internal_switch_stack, 0
  define_switch weir_internal_switch_alike, 1

// void *weir_internal_switch_prepare(void *bottom, void *top, entry, void *argument)
  .globl weir_internal_switch_prepare
  .type weir_internal_switch_prepare, %function
  .p2align 4
weir_internal_switch_prepare:
  .cfi_startproc
  hint #34  // bti c
  sub x0, x1, #176
  adrp x9, first_frame
  add x9, x9, :lo12:first_frame
  stp xzr, x9, [x0, #0]    // x29, the end of the chain of frames, and x30
  stp x2, x3, [x0, #16]    // x19: the entry function, x20: the argument
  stp xzr, xzr, [x0, #32]
  stp xzr, xzr, [x0, #48]
  stp xzr, xzr, [x0, #64]
  stp xzr, xzr, [x0, #80]
  stp xzr, xzr, [x0, #96]
  stp xzr, xzr, [x0, #112]
  stp xzr, xzr, [x0, #128]
  stp xzr, xzr, [x0, #144]
  mrs x9, fpcr
  stp x9, xzr, [x0, #160]
  ret
  .cfi_endproc
  .size weir_internal_switch_prepare, . - weir_internal_switch_prepare

// The first frame of each stack: nobody called it, so debuggers stop here.
  .type first_frame, %function
  .p2align 4
first_frame:
  .cfi_startproc
  .cfi_undefined x30
  hint #36  // bti j
  mov x0, x20
  blr x19
  brk #1
  .cfi_endproc
  .size first_frame, . - first_frame

#endif

  .section .note.GNU-stack, "", %progbits

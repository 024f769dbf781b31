/*
 * A whole HVM guest: greets on its first serial port, and sends back what is
 * typed there. libxl starts it in place of hvmloader (firmware_override=), in
 * 32-bit protected mode with flat segments. Linux would do as well, but not in
 * the time of a test: its boot loader reads it through emulated ports.
 */
	.set	PORT, 0x3f8		/* a 16550: registers by offset */
	.set	LINE_STATUS, PORT + 5
	.set	DATA_READY, 0x01
	.set	TRANSMIT_EMPTY, 0x20

	.code32
	.globl	_start
_start:
	mov	$0x80000, %esp
	mov	$greeting, %esi
1:	lodsb
	test	%al, %al
	jz	2f
	call	send
	jmp	1b
2:	mov	$LINE_STATUS, %dx
	in	%dx, %al
	test	$DATA_READY, %al
	jz	2b
	mov	$PORT, %dx
	in	%dx, %al
	call	send
	jmp	2b

send:	mov	%al, %ah
1:	mov	$LINE_STATUS, %dx
	in	%dx, %al
	test	$TRANSMIT_EMPTY, %al
	jz	1b
	mov	%ah, %al
	mov	$PORT, %dx
	out	%al, %dx
	ret

greeting:
	.asciz	"hvm guest on serial 0\r\n"

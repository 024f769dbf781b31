# bash completion for xenterm(1)

_xenterm_names() {
	xenterm list 2>/dev/null | awk 'NR > 1 { print $5 }'
}

_xenterm_sessions() {
	xenterm who 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_xenterm() {
	local commands="list attach watch send expect screen history log
		record play ticket who kick hold release power doctor"
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local word command="" i

	COMPREPLY=()
	case $prev in
	-c | --config | -S | --socket | -f | --file)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-F | --format)
		mapfile -t COMPREPLY < <(compgen -W "text html ansi json raw cast" -- "$cur")
		return
		;;
	-o | --from)
		mapfile -t COMPREPLY < <(compgen -W "begin" -- "$cur")
		return
		;;
	-m | --mode)
		mapfile -t COMPREPLY < <(compgen -W "watch type" -- "$cur")
		return
		;;
	-s | --send | -u | --until | -t | --timeout | -n | --lines | -b | \
		--boot | -x | --speed | -i | --idle)
		return
		;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		[[ " ${commands//[$'\n\t']/ } " == *" $word "* ]] && command=$word
	done
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "--json --config --socket
			--enter --no-escape --format --lines --file --send
			--until --timeout --from --boot --crash --recordings --speed
			--idle --mode --help --version" -- "$cur")
		return
	fi
	case $command in
	"") mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
	kick) mapfile -t COMPREPLY < <(compgen -W "$(_xenterm_sessions)" -- "$cur") ;;
	list | who | doctor) ;;
	play) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	record)
		if [[ $prev == record ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_xenterm_names)" -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		fi
		;;
	ticket)
		case $prev in
		ticket) mapfile -t COMPREPLY < <(compgen -W "make revoke" -- "$cur") ;;
		make) mapfile -t COMPREPLY < <(compgen -W "$(_xenterm_names)" -- "$cur") ;;
		esac
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "$(_xenterm_names)" -- "$cur") ;;
	esac
}

complete -F _xenterm xenterm
